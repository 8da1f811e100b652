//! How much segments have in common, as published.

use arrow::datatypes::DataType;
use roaring::RoaringBitmap;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_sql::Session;
use tranche_sql::keys::KeyIndex;
use tranche_store::Lake;

use crate::error::SegmentError;
use crate::store;

/// What two segments have in common.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Overlap {
    /// One segment.
    pub a: String,
    /// The other.
    pub b: String,
    /// Members of `a`.
    pub size_a: u64,
    /// Members of `b`.
    pub size_b: u64,
    /// Members of both.
    pub both: u64,
    /// Members of both as a share of the members of either, in [0, 1]; none when both are empty.
    pub jaccard: Option<f64>,
}

/// Each pair of these segments of one entity, at the session's `as_of`, in the order given.
///
/// # Errors
/// [`SegmentError`] when memberships cannot be read.
pub async fn overlaps(
    lake: &Lake,
    session: &Session,
    entity: &str,
    key: (&str, &DataType),
    segments: &[String],
) -> Result<Vec<Overlap>, SegmentError> {
    let mut index = KeyIndex::new(key.1);
    let mut members = Vec::with_capacity(segments.len());
    for segment in segments {
        let mut numbers = RoaringBitmap::new();
        if let Some(found) = store::members(lake, session, entity, key.0, segment).await? {
            for batch in &found.batches {
                numbers.extend(index.insert(batch.column(0))?.into_iter().flatten());
            }
        }
        members.push((segment.as_str(), numbers));
    }
    Ok(pairs(&members))
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn pairs(members: &[(&str, RoaringBitmap)]) -> Vec<Overlap> {
    let mut pairs = Vec::new();
    for (number, (a, of_a)) in members.iter().enumerate() {
        for (b, of_b) in &members[number + 1..] {
            let (both, either) = (of_a.intersection_len(of_b), of_a.union_len(of_b));
            pairs.push(Overlap {
                a: (*a).to_owned(),
                b: (*b).to_owned(),
                size_a: of_a.len(),
                size_b: of_b.len(),
                both,
                jaccard: (either > 0).then(|| both as f64 / either as f64),
            });
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_is_counted_once() {
        let members = |numbers: &[u32]| -> RoaringBitmap { numbers.iter().copied().collect() };
        let found =
            pairs(&[("a", members(&[1, 2, 3])), ("b", members(&[2, 3, 4, 5])), ("none", members(&[]))]);
        let shown: Vec<_> = found
            .iter()
            .map(|o| (o.a.as_str(), o.b.as_str(), o.size_a, o.size_b, o.both, o.jaccard))
            .collect();
        assert_eq!(
            shown,
            [
                ("a", "b", 3, 4, 2, Some(0.4)),
                ("a", "none", 3, 0, 0, Some(0.0)),
                ("b", "none", 4, 0, 0, Some(0.0))
            ]
        );
        assert_eq!(pairs(&[("x", members(&[])), ("y", members(&[]))])[0].jaccard, None);
    }
}
