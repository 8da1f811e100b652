//! Units that fall into cells at random.

/// The number of cells that are expected to stay empty when `units` fall into `cells` at random, each cell alike:
/// m e^(-n / m), the Poisson approximation for n units and m cells.
///
/// Source: Feller, An introduction to probability theory and its applications, volume I (1968), section IV.2.
///
/// ```
/// let expected = tranche_stats::expected_empty(100, 20);
/// assert!((expected - 20.0 * (-5.0f64).exp()).abs() < 1e-15);
/// assert_eq!(tranche_stats::expected_empty(0, 20), 20.0);
/// ```
pub fn expected_empty(units: u64, cells: u64) -> f64 {
    if cells == 0 {
        return 0.0;
    }
    let (units, cells) = (units as f64, cells as f64);
    cells * (-units / cells).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With n units in m cells exactly m (1 - 1 / m)^n are expected to be empty.
    #[test]
    fn the_approximation_is_near_the_exact_expectation() {
        for (units, cells, exact) in
            [(300, 30, 30.0 * (29.0f64 / 30.0).powi(300)), (50, 100, 100.0 * 0.99f64.powi(50))]
        {
            assert!((expected_empty(units, cells) / exact - 1.0).abs() < 0.2, "{units} {cells}");
        }
        assert_eq!(expected_empty(5, 0), 0.0);
    }
}
