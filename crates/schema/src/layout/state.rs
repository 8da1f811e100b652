//! `_state/`: partial results that make the next run quick. All of it can be deleted at any time, and is then
//! computed again.
//!
//! What is saved of a table for an owner lies in `_state/<kind>/<pipeline>/<owner>/<table>/`. The kind comes
//! first and is one of a few words, so that no name of a pipeline can be taken for a kind.

use crate::table::Retention;

/// The folder of all saved state.
pub const ROOT: &str = "_state";

/// Saved state goes with the definition that it is for.
pub const RETENTION: Retention = Retention::Definition;

/// Whose state is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The segments and traits of an entity: the owner is the entity.
    Segments,
    /// The experiments that a step measures: the owner is the step.
    Experiments,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Segments, Self::Experiments];

    /// Its folder under [`ROOT`].
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Segments => "segments",
            Self::Experiments => "experiments",
        }
    }
}

/// The state that is saved of one table for one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<'a> {
    /// Whose it is.
    pub kind: Kind,
    /// The owner's pipeline.
    pub pipeline: &'a str,
    /// The entity or step.
    pub owner: &'a str,
    /// The contract whose rows it summarises.
    pub table: &'a str,
}

impl<'a> State<'a> {
    /// Its folder, relative to the lake.
    #[must_use]
    pub fn folder(&self) -> String {
        let Self { kind, pipeline, owner, table } = self;
        format!("{ROOT}/{}/{pipeline}/{owner}/{table}", kind.folder())
    }

    /// The state that an object belongs to, and the object's name in its folder. `None` for what no state
    /// has.
    #[must_use]
    pub fn of_object(path: &'a str) -> Option<(Self, &'a str)> {
        let mut parts = path.split('/');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        (next()? == ROOT).then_some(())?;
        let folder = next()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.folder() == folder)?;
        let state = Self { kind, pipeline: next()?, owner: next()?, table: next()? };
        let name = next()?;
        parts.next().is_none().then_some((state, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_belongs_to_the_state_whose_folder_it_lies_in() {
        for kind in Kind::ALL {
            for pipeline in ["shop", "experiments", "segments", "_state"] {
                let state = State { kind, pipeline, owner: "customer", table: "orders" };
                let object = format!("{}/manifest.json", state.folder());
                assert_eq!(State::of_object(&object), Some((state, "manifest.json")));
            }
        }
        for other in [
            "_state/shop/customer/orders/manifest.json",
            "_state/experiments/shop/tests/orders",
            "_state/experiments/shop/tests/orders/a/b",
            "_state/segments/shop//orders/manifest.json",
            "_state/segments/shop/customer/orders/",
            "_sys/segments/shop/customer/orders/manifest.json",
        ] {
            assert_eq!(State::of_object(other), None, "{other}");
        }
    }
}
