//! What holds for all arms, on some thousands of them drawn at random.

use tranche_stats::{
    Alternative, Arm, CoMomentMatrix, CoMoments, Comparison, Estimate, Generator, GroupSequential, Inference,
    Margin, Moments, Options, Outcome, Spending, compare,
};

const DRAWS: usize = 600;

/// Arms of 3 to 2000 units, means of either sign, and effects within a few standard errors.
fn arms(generator: &mut Generator) -> (Arm, Arm) {
    let mean = 4.0 * generator.normal();
    let spread = (2.0 * generator.normal()).exp();
    let size = |generator: &mut Generator| 3 + (2000.0 * generator.uniform().powi(3)) as u64;
    let (control, treatment) = (size(generator), size(generator));
    let se = spread * (1.0 / control as f64 + 1.0 / treatment as f64).sqrt();
    let variance = spread * spread;
    (
        Arm::new(control, mean, variance),
        Arm::new(treatment, mean + 3.0 * se * generator.normal(), 1.3 * variance),
    )
}

fn inferences() -> [Inference; 4] {
    let looks =
        GroupSequential { spending: Spending::OBrienFleming, fractions: vec![0.3, 0.7], is_final: false };
    [
        Inference::Fixed,
        Inference::Sequential { tuning: 500.0 },
        Inference::Mixture { scale: 0.7 },
        Inference::GroupSequential(looks),
    ]
}

/// Calls `check` with arms and every kind of options, and their absolute and relative estimates.
fn for_all(seed: u64, draws: usize, mut check: impl FnMut(&Arm, &Arm, &Options, &Estimate, &Estimate)) {
    let mut generator = Generator::seeded(seed);
    let mut checked = 0;
    for draw in 0..draws {
        let (control, treatment) = arms(&mut generator);
        let inference = inferences()[draw % 4].clone();
        let alternative = [Alternative::TwoSided, Alternative::Greater, Alternative::Less][draw / 4 % 3];
        let options = Options { inference, alternative, ..Options::default() };
        if let Comparison { absolute: Outcome::Defined(absolute), relative: Outcome::Defined(relative) } =
            compare(&control, &treatment, &options)
        {
            check(&control, &treatment, &options, &absolute, &relative);
            checked += 1;
        }
    }
    assert_eq!(checked, draws);
}

fn assert_close(found: f64, expected: f64, context: &dyn std::fmt::Debug) {
    let same = found == expected || (found - expected).abs() <= 1e-9 * expected.abs().max(1e-6);
    assert!(same, "{found}, not {expected}: {context:?}");
}

#[test]
fn intervals_p_values_and_scales_agree_on_significance() {
    for_all(1, DRAWS, |_, _, options, absolute, relative| {
        assert_eq!(
            absolute.interval.contains(0.0),
            relative.interval.contains(0.0),
            "{options:?} {absolute:?} {relative:?}"
        );
        assert_eq!(absolute.p, relative.p);
        if (absolute.p - options.alpha).abs() > 1e-6 {
            assert_eq!(
                absolute.interval.contains(0.0),
                absolute.p > options.alpha,
                "{options:?} {absolute:?}"
            );
        }
        assert!(absolute.interval.contains(absolute.effect) && relative.interval.contains(relative.effect));
    });
}

#[test]
fn a_margin_is_excluded_exactly_when_it_is_significant() {
    for_all(2, DRAWS, |control, treatment, options, _, _| {
        let sign = match options.alternative {
            Alternative::TwoSided => return,
            Alternative::Greater => -1.0,
            Alternative::Less => 1.0,
        };
        let with = |margin| compare(control, treatment, &Options { margin: Some(margin), ..options.clone() });
        let size = 0.05 * control.mean.abs();
        let absolute = with(Margin::Absolute(size)).absolute.value().unwrap_or_else(|| panic!("undefined"));
        let relative = with(Margin::Relative(0.05)).relative.value().unwrap_or_else(|| panic!("undefined"));
        for (estimate, null) in [(absolute, sign * size), (relative, sign * 0.05)] {
            if (estimate.p - options.alpha).abs() > 2e-4 {
                assert_eq!(
                    estimate.interval.contains(null),
                    estimate.p > options.alpha,
                    "{options:?} {null} {estimate:?}"
                );
            }
        }
    });
}

#[test]
fn swapping_arms_negates_the_difference() {
    for_all(3, DRAWS, |control, treatment, options, absolute, _| {
        let alternative = match options.alternative {
            Alternative::TwoSided => Alternative::TwoSided,
            Alternative::Greater => Alternative::Less,
            Alternative::Less => Alternative::Greater,
        };
        let swapped =
            compare(treatment, control, &Options { alternative, ..options.clone() }).absolute.value();
        let swapped = swapped.unwrap_or_else(|| panic!("undefined"));
        assert_eq!(swapped.effect, -absolute.effect);
        assert_close(swapped.se, absolute.se, options);
        assert_close(swapped.p, absolute.p, options);
        assert_close(swapped.interval.lo(), -absolute.interval.hi(), options);
        assert_close(swapped.interval.hi(), -absolute.interval.lo(), options);
    });
}

#[test]
fn scaling_a_metric_scales_the_difference_and_leaves_the_lift() {
    for_all(4, DRAWS, |control, treatment, options, absolute, relative| {
        let scaled = |arm: &Arm| Arm::new(arm.n, 8.0 * arm.mean, 64.0 * arm.variance.unwrap_or_default());
        let inference = match &options.inference {
            Inference::Mixture { scale } => Inference::Mixture { scale: 8.0 * scale },
            other => other.clone(),
        };
        let found = compare(&scaled(control), &scaled(treatment), &Options { inference, ..options.clone() });
        let (large, lift) = (found.absolute.value(), found.relative.value());
        let (large, lift) = large.zip(lift).unwrap_or_else(|| panic!("undefined"));
        for (found, expected) in [
            (large.effect, 8.0 * absolute.effect),
            (large.se, 8.0 * absolute.se),
            (large.p, absolute.p),
            (large.interval.lo(), 8.0 * absolute.interval.lo()),
            (large.interval.hi(), 8.0 * absolute.interval.hi()),
            (lift.effect, relative.effect),
            (lift.interval.lo(), relative.interval.lo()),
            (lift.interval.hi(), relative.interval.hi()),
        ] {
            assert_close(found, expected, options);
        }
    });
}

#[test]
fn a_constant_added_to_both_arms_leaves_the_difference() {
    for_all(5, DRAWS, |control, treatment, options, absolute, _| {
        let moved = |arm: &Arm| Arm::new(arm.n, arm.mean + 1.5, arm.variance.unwrap_or_default());
        let found = compare(&moved(control), &moved(treatment), options)
            .absolute
            .value()
            .unwrap_or_else(|| panic!("undefined"));
        assert!((found.effect - absolute.effect).abs() < 1e-12 && found.se == absolute.se);
        assert!((found.p - absolute.p).abs() < 1e-9, "{options:?} {found:?} {absolute:?}");
    });
}

#[test]
fn merging_is_associative_and_commutative() {
    let mut generator = Generator::seeded(6);
    for _ in 0..300 {
        let parts: Vec<Vec<[f64; 2]>> = (0..3)
            .map(|_| {
                let (mean, size) = (10.0 * generator.normal(), generator.below(40));
                (0..size).map(|_| [mean + generator.normal(), 3.0 * generator.normal()]).collect()
            })
            .collect();
        let [a, b, c] = [0, 1, 2].map(|part| Moments::from_values(parts[part].iter().map(|row| row[0])));
        let numbers = |m: Moments| vec![m.n as f64, m.mean, m.m2];
        assert_same(&numbers(a.merge(&b).merge(&c)), &numbers(a.merge(&b.merge(&c))));
        assert_same(&numbers(a.merge(&b)), &numbers(b.merge(&a)));

        let [a, b, c] =
            [0, 1, 2].map(|part| CoMoments::from_pairs(parts[part].iter().map(|row| (row[0], row[1]))));
        let numbers = |m: CoMoments| vec![m.n as f64, m.mean_x, m.mean_y, m.m2_x, m.m2_y];
        assert_same(&numbers(a.merge(&b).merge(&c)), &numbers(a.merge(&b.merge(&c))));
        assert_same(&numbers(a.merge(&b)), &numbers(b.merge(&a)));
        let scale = |m: CoMoments| (m.m2_x * m.m2_y).sqrt();
        let (left, right) = (a.merge(&b).merge(&c), a.merge(&b.merge(&c)));
        assert!((left.c_xy - right.c_xy).abs() <= 1e-12 * scale(left), "{left:?} {right:?}");

        let [a, b, c] = [0, 1, 2].map(|part| {
            CoMomentMatrix::from_rows(parts[part].iter().map(|row| &row[..]))
                .value()
                .unwrap_or_else(|| panic!("undefined"))
        });
        let merged = |a: &CoMomentMatrix, b: &CoMomentMatrix| {
            a.merge(b).value().unwrap_or_else(|| panic!("undefined"))
        };
        let (left, right) = (merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        assert_same(&left.means, &right.means);
        assert_same(&merged(&a, &b).means, &merged(&b, &a).means);
        let largest = left.products.iter().fold(0.0, |largest: f64, product| largest.max(product.abs()));
        assert!(left.products.iter().zip(&right.products).all(|(l, r)| (l - r).abs() <= 1e-12 * largest));
    }
}

/// To 1e-12, relative to each number, or to 1 where a number is smaller: means are drawn around 0.
fn assert_same(left: &[f64], right: &[f64]) {
    let near = |(l, r): (&f64, &f64)| (l - r).abs() <= 1e-12 * r.abs().max(1.0);
    assert!(left.len() == right.len() && left.iter().zip(right).all(near), "{left:?} {right:?}");
}
