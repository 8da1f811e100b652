//! Lists whose places are a type of their own: the place of a column is never taken for that of a population.

use std::marker::PhantomData;
use std::ops::Index;

/// The place of an item in the list that the type belongs to.
pub(crate) trait Id: Copy {
    /// The id of a place.
    fn at(place: usize) -> Self;
    /// The place, from 0.
    fn place(self) -> usize;
}

/// Defines the type of the places of a list.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(usize);

        impl $crate::plan::Id for $name {
            fn at(place: usize) -> Self {
                Self(place)
            }

            fn place(self) -> usize {
                self.0
            }
        }
    };
}
pub(crate) use id;

/// A list whose items are found by their ids.
#[derive(Debug)]
pub(crate) struct IdList<I, T> {
    items: Vec<T>,
    ids: PhantomData<I>,
}

impl<I: Id, T> IdList<I, T> {
    /// Adds an item at the end.
    pub(crate) fn push(&mut self, item: T) -> I {
        self.items.push(item);
        I::at(self.items.len() - 1)
    }

    /// The first item that a condition holds for.
    pub(crate) fn find(&self, is_it: impl Fn(&T) -> bool) -> Option<I> {
        self.items.iter().position(is_it).map(I::at)
    }

    /// The items in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.items.iter().enumerate().map(|(place, item)| (I::at(place), item))
    }

    /// The items without their ids.
    pub(crate) fn as_slice(&self) -> &[T] {
        &self.items
    }
}

impl<I: Id, T: PartialEq> IdList<I, T> {
    /// The id of an item, which is added unless an equal one is there.
    pub(crate) fn intern(&mut self, item: T) -> I {
        match self.find(|known| *known == item) {
            Some(id) => id,
            None => self.push(item),
        }
    }
}

impl<I, T> Default for IdList<I, T> {
    fn default() -> Self {
        Self { items: Vec::new(), ids: PhantomData }
    }
}

impl<I: Id, T> Index<I> for IdList<I, T> {
    type Output = T;

    fn index(&self, id: I) -> &T {
        &self.items[id.place()]
    }
}

impl<I: Id, T> FromIterator<T> for IdList<I, T> {
    fn from_iter<C: IntoIterator<Item = T>>(items: C) -> Self {
        Self { items: items.into_iter().collect(), ids: PhantomData }
    }
}
