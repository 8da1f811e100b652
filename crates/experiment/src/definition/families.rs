//! Families of comparisons, as declared.

use tranche_segment::Pattern;
use tranche_stats::Adjustment;

/// Comparisons that are judged together. A list that is empty stands for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredFamily {
    /// Its name.
    pub name: String,
    /// The metrics.
    pub metrics: Vec<String>,
    /// The segments, as written.
    pub segments: Vec<String>,
    /// The treatments.
    pub variants: Vec<String>,
    /// How its p-values are adjusted.
    pub adjust: Adjustment,
}

impl DeclaredFamily {
    /// Whether a comparison belongs to it.
    pub(crate) fn holds(&self, metric: &str, segment: &str, variant: &str) -> bool {
        let among = |names: &[String], name: &str| names.is_empty() || names.iter().any(|own| own == name);
        among(&self.metrics, metric)
            && among(&self.variants, variant)
            && (self.segments.is_empty()
                || self.segments.iter().any(|pattern| Pattern::parse(pattern).covers(segment)))
    }

    /// A comparison that two families both hold, in words.
    pub(super) fn shared_with(&self, other: &Self) -> Option<String> {
        let metric = shared(&self.metrics, &other.metrics, |a, b| (a == b).then_some(a))?;
        let variant = shared(&self.variants, &other.variants, |a, b| (a == b).then_some(a))?;
        let segment = shared(&self.segments, &other.segments, |a, b| {
            match (Pattern::parse(a).covers(b), Pattern::parse(b).covers(a)) {
                (true, _) => Some(b),
                (false, true) => Some(a),
                (false, false) => None,
            }
        })?;
        let named = |what: &str, name: Option<&str>| {
            name.map_or_else(|| format!("any {what}"), |name| format!("`{name}`"))
        };
        Some(format!(
            "{} in {} for {}",
            named("metric", metric),
            named("segment", segment),
            named("variant", variant)
        ))
    }
}

/// What two lists have in common, `Some(None)` for everything.
fn shared<'a>(
    own: &'a [String],
    other: &'a [String],
    both: impl Fn(&'a str, &'a str) -> Option<&'a str>,
) -> Option<Option<&'a str>> {
    match (own, other) {
        ([], []) => Some(None),
        ([], [first, ..]) | ([first, ..], []) => Some(Some(first)),
        _ => own.iter().find_map(|a| other.iter().find_map(|b| both(a, b))).map(Some),
    }
}
