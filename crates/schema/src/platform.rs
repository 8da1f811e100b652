//! The tables that Tranche itself keeps in a lake. Every column name of theirs stands here, once.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The type of every instant in the platform's tables: microseconds, UTC.
#[must_use]
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The day of an event (UTC): the partition column that the platform adds to event tables.
pub const EVENT_DAY: &str = "_day";
/// The instant from which a version of an entity row is valid; in tables with full history.
pub const VALID_FROM: &str = "_valid_from";
/// The instant until which a version of an entity row is valid, null for the latest.
pub const VALID_TO: &str = "_valid_to";

/// The column of the wide table of traits and of every platform table that says which segment.
pub const SEGMENT: &str = "segment";
/// The instant that a row's result is true for.
pub const AS_OF: &str = "as_of";

/// `memberships/<entity>`: the intervals in which entities are in segments.
pub mod memberships {
    use super::{Arc, DataType, Field, SEGMENT, Schema, SchemaRef, instant};

    /// The instant of the refresh that found the entity in the segment.
    pub const ENTERED_AT: &str = "entered_at";
    /// The instant of the refresh that no longer found it there; null while it is a member.
    pub const EXITED_AT: &str = "exited_at";

    /// Columns: segment, the entity's key under its own name, `entered_at`, `exited_at`.
    #[must_use]
    pub fn schema(key: &str, key_type: &DataType) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new(SEGMENT, DataType::Utf8, false),
            Field::new(key, key_type.clone(), false),
            Field::new(ENTERED_AT, instant(), false),
            Field::new(EXITED_AT, instant(), true),
        ]))
    }
}

/// `segment_history`: one row per refresh and segment.
pub mod segment_history {
    use super::{AS_OF, Arc, DataType, Field, SEGMENT, Schema, SchemaRef, instant};

    /// The pipeline whose refresh this was.
    pub const PIPELINE: &str = "pipeline";
    /// The segmented entity.
    pub const ENTITY: &str = "entity";
    /// Members after the refresh.
    pub const SIZE: &str = "size";
    /// Members that the refresh before did not have.
    pub const ENTERED: &str = "entered";
    /// Members of the refresh before that are no longer.
    pub const EXITED: &str = "exited";
    /// Ids that the definition returned and the universe lacks.
    pub const UNMATCHED: &str = "unmatched";
    /// Rows whose key was null, so that nobody is meant.
    pub const NULL_KEYS: &str = "null_keys";
    /// Rows for which the definition's predicate was null, so that they are not members; null where it is not known.
    pub const NULL_PREDICATES: &str = "null_predicates";
    /// Which publication of the pipeline and entity the row belongs to, counted from 1. A row counts once the memberships carry
    /// its publication. Null in rows from before publications were counted.
    pub const PUBLICATION: &str = "publication";

    /// Columns in the order of the constants above, after `as_of` and `segment`.
    #[must_use]
    pub fn schema() -> SchemaRef {
        let count = |name| Field::new(name, DataType::Int64, false);
        Arc::new(Schema::new(vec![
            Field::new(AS_OF, instant(), false),
            Field::new(PIPELINE, DataType::Utf8, false),
            Field::new(ENTITY, DataType::Utf8, false),
            Field::new(SEGMENT, DataType::Utf8, false),
            count(SIZE),
            count(ENTERED),
            count(EXITED),
            count(UNMATCHED),
            count(NULL_KEYS),
            Field::new(NULL_PREDICATES, DataType::Int64, true),
            Field::new(PUBLICATION, DataType::Int64, true),
        ]))
    }
}

/// `quarantine/<source>`: rejected rows and why.
pub mod quarantine {
    use super::{Arc, DataType, Field, Schema, SchemaRef, instant};

    /// The source that read the row.
    pub const SOURCE: &str = "source";
    /// The raw file, as listed.
    pub const FILE: &str = "file";
    /// The row within the file, 1-based, headers not counted; null when the whole file was refused.
    pub const ROW: &str = "row";
    /// The contract's column at fault, when one is.
    pub const COLUMN: &str = "column";
    /// Why the row was rejected.
    pub const REASON: &str = "reason";
    /// The raw row as JSON, shortened when very long.
    pub const RAW: &str = "raw";
    /// The run that rejected it.
    pub const RUN_ID: &str = "run_id";
    /// When that run started.
    pub const REJECTED_AT: &str = "rejected_at";

    /// Columns in the order of the constants above.
    #[must_use]
    pub fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new(SOURCE, DataType::Utf8, false),
            Field::new(FILE, DataType::Utf8, false),
            Field::new(ROW, DataType::Int64, true),
            Field::new(COLUMN, DataType::Utf8, true),
            Field::new(REASON, DataType::Utf8, false),
            Field::new(RAW, DataType::Utf8, true),
            Field::new(RUN_ID, DataType::Utf8, false),
            Field::new(REJECTED_AT, instant(), false),
        ]))
    }
}

/// `loads`: one row per raw file that was read into a table.
pub mod loads {
    use super::{AS_OF, Arc, DataType, Field, Schema, SchemaRef, instant};

    /// The source that read the file.
    pub const SOURCE: &str = "source";
    /// The table that it went into.
    pub const TABLE: &str = "table";
    /// The raw file, as listed.
    pub const FILE: &str = "file";
    /// Its size in bytes.
    pub const BYTES: &str = "bytes";
    /// Rows in the file.
    pub const ROWS: &str = "rows";
    /// Rows that went to quarantine.
    pub const REJECTED: &str = "rejected";
    /// Rows that a later row with the same key replaced within the same load.
    pub const DUPLICATES: &str = "duplicates";
    /// The run that read it.
    pub const RUN_ID: &str = "run_id";

    /// Columns in the order of the constants above, after `as_of`.
    #[must_use]
    pub fn schema() -> SchemaRef {
        let text = |name| Field::new(name, DataType::Utf8, false);
        let count = |name| Field::new(name, DataType::Int64, false);
        Arc::new(Schema::new(vec![
            Field::new(AS_OF, instant(), false),
            text(SOURCE),
            text(TABLE),
            text(FILE),
            count(BYTES),
            count(ROWS),
            count(REJECTED),
            count(DUPLICATES),
            text(RUN_ID),
        ]))
    }
}

/// `estimates`: one row per measured experiment, the whole result as JSON beside the columns that one filters by.
pub mod estimates {
    use super::{AS_OF, Arc, DataType, Field, Schema, SchemaRef, instant};

    /// The experiment.
    pub const EXPERIMENT: &str = "experiment";
    /// The goal, secondary or guardrail metric.
    pub const METRIC: &str = "metric";
    /// The metric's role in the experiment.
    pub const ROLE: &str = "role";
    /// The segment, `all` for everyone exposed.
    pub const SEGMENT: &str = super::SEGMENT;
    /// The treatment that is compared with control.
    pub const VARIANT: &str = "variant";
    /// The full result of the experiment as JSON, on the first row of each measurement.
    pub const RESULT: &str = "result";
    /// The columns of numbers, in order.
    pub const NUMBERS: [&str; 12] = [
        "mean",
        "control_mean",
        "absolute_effect",
        "absolute_se",
        "absolute_lower",
        "absolute_upper",
        "absolute_p",
        "relative_effect",
        "relative_se",
        "relative_lower",
        "relative_upper",
        "relative_p",
    ];
    /// Units in the treatment.
    pub const N: &str = "n";
    /// Units in control.
    pub const CONTROL_N: &str = "control_n";

    /// Whether all checks of the data that are gates passed; null in rows from before it was kept.
    pub const TRUSTWORTHY: &str = "trustworthy";

    /// Columns: as_of, experiment, metric, role, segment, variant, n, control_n, [`NUMBERS`], result, trustworthy.
    #[must_use]
    pub fn schema() -> SchemaRef {
        let text = |name| Field::new(name, DataType::Utf8, false);
        let mut fields = vec![
            Field::new(AS_OF, instant(), false),
            text(EXPERIMENT),
            text(METRIC),
            text(ROLE),
            text(SEGMENT),
            text(VARIANT),
            Field::new(N, DataType::Int64, false),
            Field::new(CONTROL_N, DataType::Int64, false),
        ];
        fields.extend(NUMBERS.iter().map(|name| Field::new(*name, DataType::Float64, true)));
        fields.push(Field::new(RESULT, DataType::Utf8, true));
        fields.push(Field::new(TRUSTWORTHY, DataType::Boolean, true));
        Arc::new(Schema::new(fields))
    }
}

/// `estimate_series`: one row per measured experiment, metric, treatment, day and span; everyone taken together.
pub mod estimate_series {
    use super::{AS_OF, Arc, DataType, Field, Schema, SchemaRef, estimates, instant};

    /// The day, in the project's time zone.
    pub const DAY: &str = "day";
    /// `daily`: units first exposed on the day; `cumulative`: on the day or before.
    pub const SPAN: &str = "span";

    /// Columns: as_of, experiment, metric, role, variant, day, span, n, control_n, [`estimates::NUMBERS`], trustworthy.
    #[must_use]
    pub fn schema() -> SchemaRef {
        let text = |name| Field::new(name, DataType::Utf8, false);
        let mut fields = vec![
            Field::new(AS_OF, instant(), false),
            text(estimates::EXPERIMENT),
            text(estimates::METRIC),
            text(estimates::ROLE),
            text(estimates::VARIANT),
            Field::new(DAY, DataType::Date32, false),
            text(SPAN),
            Field::new(estimates::N, DataType::Int64, false),
            Field::new(estimates::CONTROL_N, DataType::Int64, false),
        ];
        fields.extend(estimates::NUMBERS.iter().map(|name| Field::new(*name, DataType::Float64, true)));
        fields.push(Field::new(estimates::TRUSTWORTHY, DataType::Boolean, false));
        Arc::new(Schema::new(fields))
    }
}

/// `kpis`: one row per report, period, segment and metric.
pub mod kpis {
    use super::{AS_OF, Arc, DataType, Field, SEGMENT, Schema, SchemaRef, instant};

    /// The report.
    pub const REPORT: &str = "report";
    /// The metric.
    pub const METRIC: &str = "metric";
    /// First instant of the period.
    pub const PERIOD_FROM: &str = "period_from";
    /// First instant after the period.
    pub const PERIOD_TO: &str = "period_to";
    /// Members of the segment.
    pub const N: &str = "n";
    /// The metric's value.
    pub const VALUE: &str = "value";
    /// Lower end of its 95 % interval.
    pub const LOWER: &str = "lower";
    /// Upper end of its 95 % interval.
    pub const UPPER: &str = "upper";

    /// Columns in the order of the constants above, `segment` after the metric.
    #[must_use]
    pub fn schema() -> SchemaRef {
        let number = |name| Field::new(name, DataType::Float64, true);
        Arc::new(Schema::new(vec![
            Field::new(AS_OF, instant(), false),
            Field::new(REPORT, DataType::Utf8, false),
            Field::new(METRIC, DataType::Utf8, false),
            Field::new(SEGMENT, DataType::Utf8, false),
            Field::new(PERIOD_FROM, instant(), false),
            Field::new(PERIOD_TO, instant(), false),
            Field::new(N, DataType::Int64, false),
            number(VALUE),
            number(LOWER),
            number(UPPER),
        ]))
    }
}
