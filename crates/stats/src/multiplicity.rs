//! Many questions at once: adjusted p-values, so that a family of tests keeps its error rate.

/// How p-values of a family are adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustment {
    /// Not at all.
    None,
    /// p m: family-wise error, any dependence.
    Bonferroni,
    /// Step-down Bonferroni: family-wise error, any dependence, never weaker (Holm 1979).
    Holm,
    /// Step-up: family-wise error under positive dependence (Hochberg 1988).
    Hochberg,
    /// Step-up: false discovery rate under positive dependence (Benjamini, Hochberg 1995).
    BenjaminiHochberg,
    /// Step-up: false discovery rate under any dependence (Benjamini, Yekutieli 2001).
    BenjaminiYekutieli,
}

impl Adjustment {
    /// Its name, as a definition writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bonferroni => "bonferroni",
            Self::Holm => "holm",
            Self::Hochberg => "hochberg",
            Self::BenjaminiHochberg => "benjamini_hochberg",
            Self::BenjaminiYekutieli => "benjamini_yekutieli",
        }
    }
}

/// The adjusted p-values of a family, in its order: reject where the adjusted value is at most alpha.
///
/// ```
/// use tranche_stats::{Adjustment, adjusted};
///
/// let holm = adjusted(&[0.01, 0.04, 0.03], Adjustment::Holm);
/// assert_eq!(holm, [0.03, 0.06, 0.06]);
/// ```
pub fn adjusted(p: &[f64], method: Adjustment) -> Vec<f64> {
    let m = p.len() as f64;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let harmonic: f64 = (1..=p.len()).map(|i| 1.0 / i as f64).sum();
    // The factor of the p-value with this rank, 0 for the smallest.
    let factor = |rank: usize| match method {
        Adjustment::None => 1.0,
        Adjustment::Bonferroni => m,
        Adjustment::Holm | Adjustment::Hochberg => m - rank as f64,
        Adjustment::BenjaminiHochberg => m / (rank + 1) as f64,
        Adjustment::BenjaminiYekutieli => harmonic * m / (rank + 1) as f64,
    };
    let mut result = p.to_vec();
    match method {
        Adjustment::None | Adjustment::Bonferroni => {
            for value in &mut result {
                *value = (*value * factor(0)).min(1.0);
            }
        }
        Adjustment::Holm => {
            let mut largest: f64 = 0.0;
            for (rank, index) in order.into_iter().enumerate() {
                largest = largest.max((p[index] * factor(rank)).min(1.0));
                result[index] = largest;
            }
        }
        Adjustment::Hochberg | Adjustment::BenjaminiHochberg | Adjustment::BenjaminiYekutieli => {
            let mut smallest: f64 = 1.0;
            for (rank, index) in order.into_iter().enumerate().rev() {
                smallest = smallest.min((p[index] * factor(rank)).min(1.0));
                result[index] = smallest;
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of R's `p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.5))`.
    #[test]
    fn adjusted_values_are_those_of_r() {
        let p = [0.01, 0.02, 0.03, 0.04, 0.5];
        for (method, expected) in [
            (Adjustment::None, [0.01, 0.02, 0.03, 0.04, 0.5]),
            (Adjustment::Bonferroni, [0.05, 0.10, 0.15, 0.20, 1.0]),
            (Adjustment::Holm, [0.05, 0.08, 0.09, 0.09, 0.5]),
            (Adjustment::Hochberg, [0.05, 0.08, 0.08, 0.08, 0.5]),
            (Adjustment::BenjaminiHochberg, [0.05, 0.05, 0.05, 0.05, 0.5]),
            (Adjustment::BenjaminiYekutieli, [0.114_166_666_666_666_67; 5]),
        ] {
            let found = adjusted(&p, method);
            let close = found.iter().zip(expected).take(4).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(close, "{method:?}: {found:?}");
        }
    }
}
