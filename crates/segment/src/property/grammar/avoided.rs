//! What the engine gets wrong by itself, and definitions therefore leave out: one entry each, to be taken away when it is mended.
//!
//! The cases in `mistakes` show each of them, and say when one is mended.

/// What one definition has used so far.
#[derive(Debug, Default)]
pub(super) struct Avoided {
    money_summed: bool,
    distinct_counted: bool,
}

impl Avoided {
    /// No sum of decimals beside `count(DISTINCT ...)`: the engine sums twice then, and the sum of sums has another type than the plan.
    pub(super) fn may_sum_money(&mut self) -> bool {
        self.money_summed |= !self.distinct_counted;
        self.money_summed
    }

    /// The other half of [`Avoided::may_sum_money`].
    pub(super) fn may_count_distinct(&mut self) -> bool {
        self.distinct_counted |= !self.money_summed;
        self.distinct_counted
    }
}

/// The keys of a subquery that are not null, for a NOT IN beside OR: there, the engine knows of a key only that it is in the rows or
/// is not, and never that a null among them leaves it unknown.
pub(super) fn known_keys(keys: &str) -> String {
    let column = keys
        .trim_start_matches("SELECT ")
        .trim_start_matches("DISTINCT ")
        .split(' ')
        .next()
        .unwrap_or_default();
    format!("SELECT {column} FROM ({keys}) AS k WHERE {column} IS NOT NULL")
}

/// `count(DISTINCT CAST(x AS DATE))` is left out for good: the engine names an aggregate without its casts, and refuses two of one
/// name, with a message that says so.
pub(super) const DISTINCT_DAYS: &str = "count(DISTINCT date_trunc('day', #))";
