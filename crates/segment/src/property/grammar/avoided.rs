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

/// `count(DISTINCT CAST(x AS DATE))` is left out for good: the engine names an aggregate without its casts, and refuses two of one
/// name, with a message that says so.
pub(super) const DISTINCT_DAYS: &str = "count(DISTINCT date_trunc('day', #))";
