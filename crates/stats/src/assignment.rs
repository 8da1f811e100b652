//! Which variant a unit is assigned to: hashes, bucket ranges and namespaces as GrowthBook defines them, so that an assignment made
//! elsewhere can be checked here.
//!
//! Source: GrowthBook, Build your own SDK (hashing, bucket ranges, namespaces).
//!
//! ```
//! use tranche_stats::assignment::{bucket_ranges, hash_v2, variation};
//! let ranges = bucket_ranges(2, 1.0, &[0.9, 0.1]);
//! assert_eq!(variation(hash_v2("my-experiment", "user-1"), &ranges), Some(0));
//! ```

/// A half-open range [start, end) of hashes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The least hash, from 0 on.
    pub start: f64,
    /// The end, itself outside.
    pub end: f64,
}

/// A part of the units that experiments of the same namespace divide among themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// The hashes, by [`hash_v1`], that belong to the experiment.
    pub range: Bucket,
}

/// The share of hashes that weights may miss 1 by before they are replaced by equal ones.
const WEIGHT_TOLERANCE: f64 = 0.01;

impl Bucket {
    /// Whether `hash` lies in the range.
    pub fn contains(&self, hash: f64) -> bool {
        self.start <= hash && hash < self.end
    }
}

impl Namespace {
    /// Whether the unit with the id `unit` belongs to the experiment.
    pub fn contains(&self, unit: &str) -> bool {
        self.range.contains(hash_v1(&format!("__{}", self.name), unit))
    }
}

/// The first version: FNV-1a of `unit` and then `seed`, in thousandths. Close seeds give correlated hashes.
pub fn hash_v1(seed: &str, unit: &str) -> f64 {
    f64::from(fnv1a_32(unit.encode_utf16().chain(seed.encode_utf16())) % 1000) / 1000.0
}

/// The second version: FNV-1a of the decimal digits of the FNV-1a of `seed` and then `unit`, in ten-thousandths.
pub fn hash_v2(seed: &str, unit: &str) -> f64 {
    let inner = fnv1a_32(seed.encode_utf16().chain(unit.encode_utf16()));
    f64::from(fnv1a_32(inner.to_string().encode_utf16()) % 10_000) / 10_000.0
}

/// The ranges of `variations`: side by side by `weights`, each filled from its start by `coverage`, a share in [0, 1].
///
/// Weights that are of another number, negative, or do not sum to about 1 are taken as equal.
pub fn bucket_ranges(variations: usize, coverage: f64, weights: &[f64]) -> Vec<Bucket> {
    let sum: f64 = weights.iter().sum();
    let fit = weights.len() == variations
        && weights.iter().all(|weight| *weight >= 0.0)
        && (sum - 1.0).abs() <= WEIGHT_TOLERANCE;
    let weight = |index: usize| if fit { weights[index] } else { 1.0 / variations as f64 };
    let coverage = coverage.clamp(0.0, 1.0);
    let mut cumulative = 0.0;
    let range = |index| {
        let start = cumulative;
        cumulative += weight(index);
        Bucket { start, end: start + coverage * weight(index) }
    };
    (0..variations).map(range).collect()
}

/// Which of the `ranges` holds `hash`; None for a unit that is not covered.
pub fn variation(hash: f64, ranges: &[Bucket]) -> Option<usize> {
    ranges.iter().position(|range| range.contains(hash))
}

/// FNV-1a, 32 bits, over UTF-16 code units. Source: Fowler, Noll and Vo, The FNV non-cryptographic hash algorithm (IETF draft).
fn fnv1a_32(units: impl Iterator<Item = u16>) -> u32 {
    units.fold(0x811c_9dc5, |hash, unit| (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by the growthbook package for Python, 4.0.0.
    #[test]
    fn hashes_are_those_of_growthbook() {
        for (seed, unit, first, second) in [
            ("", "a", 0.22, 0.0216),
            ("", "b", 0.077, 0.9054),
            ("b", "a", 0.946, 0.665),
            ("my-experiment", "user-1", 0.006, 0.8713),
            ("checkout", "ünï-ß", 0.412, 0.6998),
            ("seed", "😀", 0.429, 0.4346),
            ("exp", "123456789", 0.259, 0.5054),
        ] {
            assert_eq!([hash_v1(seed, unit), hash_v2(seed, unit)], [first, second], "{seed} {unit}");
        }
    }

    /// Computed by the growthbook package for Python, 4.0.0.
    #[test]
    fn ranges_are_those_of_growthbook() {
        let check = |coverage, weights: &[f64], variations, expected: &[(f64, f64)]| {
            let found = bucket_ranges(variations, coverage, weights);
            let near = |(range, (start, end)): (&Bucket, &(f64, f64))| {
                (range.start - start).abs() < 1e-15 && (range.end - end).abs() < 1e-15
            };
            assert!(found.len() == expected.len() && found.iter().zip(expected).all(near), "{found:?}");
        };
        check(1.0, &[], 2, &[(0.0, 0.5), (0.5, 1.0)]);
        check(0.5, &[], 2, &[(0.0, 0.25), (0.5, 0.75)]);
        check(0.5, &[0.4, 0.4, 0.2, 0.0], 4, &[(0.0, 0.2), (0.4, 0.6), (0.8, 0.9), (1.0, 1.0)]);
        check(0.5, &[0.5, 0.3, 0.2], 3, &[(0.0, 0.25), (0.5, 0.65), (0.8, 0.9)]);
        check(1.0, &[0.4, 0.1], 2, &[(0.0, 0.5), (0.5, 1.0)]);
        check(-0.2, &[], 2, &[(0.0, 0.0), (0.5, 0.5)]);
        check(1.2, &[], 2, &[(0.0, 0.5), (0.5, 1.0)]);
        check(1.0, &[], 0, &[]);
    }

    /// Computed by the growthbook package for Python, 4.0.0.
    #[test]
    fn namespaces_are_those_of_growthbook() {
        for (unit, name, start, end, inside) in [
            ("1", "namespace1", 0.0, 0.4, false),
            ("1", "namespace1", 0.4, 1.0, true),
            ("1", "namespace2", 0.0, 0.4, false),
            ("1", "namespace2", 0.4, 1.0, true),
            ("user-7", "checkout", 0.25, 0.5, true),
        ] {
            let namespace = Namespace { name: name.to_owned(), range: Bucket { start, end } };
            assert_eq!(namespace.contains(unit), inside, "{unit} {name}");
        }
    }

    #[test]
    fn a_unit_beyond_the_coverage_has_no_variation() {
        let ranges = bucket_ranges(2, 0.5, &[]);
        assert_eq!(
            [0.1, 0.25, 0.5, 0.75].map(|hash| variation(hash, &ranges)),
            [Some(0), None, Some(1), None]
        );
    }
}
