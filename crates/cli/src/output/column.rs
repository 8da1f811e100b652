//! The columns of a table: what their values are, and how much a reader would miss them.

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name: the header, the key in JSON, and what `--columns` takes.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) importance: Importance,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whatever they are: numbers stand at the right.
    Any,
    /// What a row is called: never left out.
    Key,
    /// A word or a few.
    Text,
    /// Sentences, which may take several lines.
    Prose,
    /// A number that is shown as it is, such as a count.
    Number,
    /// A number that was estimated: people see four digits of it, programs all.
    Estimate,
    /// A probability: people see four decimals.
    Probability,
    /// `[low, high]`, a side without a bound null; two columns, `_low` and `_high`, in CSV.
    Interval,
    /// An instant in UTC.
    Instant,
}

/// Which columns are left out first where a table is too wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Importance {
    /// For a second look.
    Detail,
    /// Worth its room.
    Normal,
    /// The answer.
    Main,
}

impl Column {
    /// What a row is called.
    pub(crate) fn key(name: &str) -> Self {
        Self { importance: Importance::Main, ..Self::of(name, Kind::Key) }
    }

    /// A word or a few.
    pub(crate) fn text(name: &str) -> Self {
        Self::of(name, Kind::Text)
    }

    /// Sentences.
    pub(crate) fn prose(name: &str) -> Self {
        Self::of(name, Kind::Prose)
    }

    /// A number that is shown as it is.
    pub(crate) fn number(name: &str) -> Self {
        Self::of(name, Kind::Number)
    }

    /// A number that was estimated.
    pub(crate) fn estimate(name: &str) -> Self {
        Self::of(name, Kind::Estimate)
    }

    /// A probability.
    pub(crate) fn probability(name: &str) -> Self {
        Self::of(name, Kind::Probability)
    }

    /// An interval, `[low, high]`.
    pub(crate) fn interval(name: &str) -> Self {
        Self::of(name, Kind::Interval)
    }

    /// An instant in UTC.
    pub(crate) fn instant(name: &str) -> Self {
        Self::of(name, Kind::Instant)
    }

    /// Whatever its values are.
    pub(crate) fn any(name: &str) -> Self {
        Self::of(name, Kind::Any)
    }

    /// The answer: left out last.
    pub(crate) fn main(self) -> Self {
        Self { importance: Importance::Main, ..self }
    }

    /// For a second look: left out first.
    pub(crate) fn detail(self) -> Self {
        Self { importance: Importance::Detail, ..self }
    }

    fn of(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, importance: Importance::Normal }
    }
}

impl From<&str> for Column {
    /// The column that has this name in the tables of several commands.
    fn from(name: &str) -> Self {
        match name {
            "segment" | "experiment" | "pipeline" | "step" | "trait" | "check" | "metric" | "scan"
            | "definition" | "id" | "a" | "b" | "measure" | "column" => Self::key(name),
            "status" | "fate" | "decision" | "variant" | "type" => Self::text(name).main(),
            "run_id" | "kind" | "default" | "aggregate" | "mode" | "scans" => Self::text(name),
            "entity" | "local" | "dst" | "file" | "traits" => Self::text(name).detail(),
            "finding" | "advice" | "message" | "failures" | "condition" | "refresh" => {
                Self::prose(name).main()
            }
            "reason" | "evaluated" => Self::prose(name),
            "hypothesis" => Self::prose(name).detail(),
            "size" | "both" | "units" | "rows_written" | "share" => Self::number(name).main(),
            "unmatched" | "null_keys" | "attempts" | "megabytes" | "hash" => Self::number(name).detail(),
            "as_of" => Self::instant(name).main(),
            "slot" | "entered_at" | "exited_at" | "last_refresh" => Self::instant(name),
            "started_at" | "ended_at" => Self::instant(name).detail(),
            "ok" | "trustworthy" | "value" => Self::any(name).main(),
            _ => Self::any(name),
        }
    }
}
