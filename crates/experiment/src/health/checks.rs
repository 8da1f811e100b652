//! Checks of the split, of assignments, and of the time before exposure.

use tranche_scorecard::{HealthCheck, SampleRatioCheck, VariantCount};
use tranche_segment::EVERYONE;
use tranche_stats::{Options, compare, exact_sample_ratio, sample_ratio, sequential_sample_ratio};

use super::thresholds::{CONCENTRATION, LEAST_EXPECTED, THRESHOLD};
use crate::counts::as_number;
use crate::definition::Experiment;
use crate::estimate::arms::Outcomes;
use crate::units::cells::{Membership, SegmentIndex, Side};
use crate::units::collect::UnitData;
use crate::units::exposed::Exposed;

/// Units exposed to several variants may be this share of all, or this many, before they are a failure of the
/// assignment.
const MOST_SEVERAL: (f64, u64) = (0.01, 10);

/// Units of each variant against the planned shares.
pub(super) fn sample_ratio_check(experiment: &Experiment, units: &Exposed) -> SampleRatioCheck {
    let shares: Vec<f64> = experiment.variants.values().copied().collect();
    let observed = counts(experiment, units, 0..units.variants.len());
    let ratio = sample_ratio(&observed, &shares).value();
    let sequential = sequential_sample_ratio(&observed, &shares, CONCENTRATION).value();
    let total = as_number(observed.iter().sum());
    SampleRatioCheck {
        chi_squared: ratio.as_ref().map(|r| r.chi_squared),
        p: ratio.as_ref().map(|r| r.p),
        ok: ratio.as_ref().is_none_or(|r| r.p >= THRESHOLD),
        sequential_p: sequential.map(|s| s.p),
        counted: counted(units).to_owned(),
        observed: experiment
            .variants
            .iter()
            .zip(observed)
            .map(|((variant, share), count)| VariantCount {
                variant: variant.clone(),
                count,
                expected: share * total,
            })
            .collect(),
    }
}

/// The checks of exposures and of the time before them, those of everyone first.
pub(super) fn checks(
    data: &UnitData<'_>,
    srm: &SampleRatioCheck,
    before: &[(&str, Outcomes<'_>)],
) -> Vec<HealthCheck> {
    let units = &data.observed.units;
    let mut checks = of_split(srm);
    checks.extend(several_variants(units));
    checks.extend(mixed_clusters(units));
    checks.extend(segment_splits(data.observed.experiment, units, &data.divided.segments));
    checks.extend(pre_period(data, before));
    checks
}

const SPLIT_ADVICE: &str = "look for exposures that are lost or logged twice in one variant, for bots, and for planned shares \
                            that changed during the experiment; measure again when the exposures are correct";

fn of_split(srm: &SampleRatioCheck) -> Vec<HealthCheck> {
    let counts: Vec<String> = srm
        .observed
        .iter()
        .map(|v| format!("{} of {:.0} expected in `{}`", v.count, v.expected, v.variant))
        .collect();
    let check = |name: &str, p: Option<f64>| {
        let ok = p.is_none_or(|p| p >= THRESHOLD);
        let state = if ok { "were split as planned" } else { "were not split as planned" };
        let shown = p.map_or_else(|| "there are no units".to_owned(), |p| format!("p = {p:.2e}"));
        let finding = format!("{} {state}: {} ({shown})", srm.counted, counts.join(", "));
        HealthCheck {
            p,
            threshold: Some(THRESHOLD),
            ..HealthCheck::gate(name, EVERYONE, ok, finding, SPLIT_ADVICE)
        }
    };
    let mut checks = vec![check("sample_ratio", srm.p), check("sequential_sample_ratio", srm.sequential_p)];
    checks[1].finding = checks[1].finding.replacen("planned:", "planned, at any number of looks:", 1);
    checks
}

fn several_variants(units: &Exposed) -> Option<HealthCheck> {
    let lost = units.cluster_losses.mixed_units + units.cluster_losses.without;
    let seen = units.several_variants + units.unmatched + lost + units.variants.len() as u64;
    let advice = "find out why assignments change: an id that is shared or reset, different ids for assignment and exposure, \
                  planned shares that changed during the experiment";
    contaminated("several_variants", (units.several_variants, seen), "units saw several variants", advice)
}

fn mixed_clusters(units: &Exposed) -> Option<HealthCheck> {
    let clusters = units.clusters.as_ref()?;
    let mixed = units.cluster_losses.mixed;
    let seen = mixed + clusters.distinct(0..units.variants.len());
    let advice = "find out why clusters have several variants: assignment by unit instead of cluster, units that change their \
                  cluster, a unit that saw several variants";
    contaminated("mixed_clusters", (mixed, seen), "clusters have several variants", advice)
}

/// Whether few enough of the units or clusters that were seen have several variants.
fn contaminated(check: &str, (several, seen): (u64, u64), what: &str, advice: &str) -> Option<HealthCheck> {
    if seen == 0 {
        return None;
    }
    let ok = as_number(several) / as_number(seen) <= MOST_SEVERAL.0 || several < MOST_SEVERAL.1;
    Some(HealthCheck::gate(check, EVERYONE, ok, format!("{several} of {seen} {what}"), advice))
}

fn segment_splits(experiment: &Experiment, units: &Exposed, segments: &Membership) -> Vec<HealthCheck> {
    let shares: Vec<f64> = experiment.variants.values().copied().collect();
    let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
    let large = |members: &&Vec<usize>| as_number(members.len() as u64) * least >= LEAST_EXPECTED;
    let tested: Vec<(&String, &Vec<usize>)> = segments
        .iter()
        .filter(|(segment, members)| *segment != tranche_segment::EVERYONE && large(members))
        .collect();
    let threshold = THRESHOLD / as_number(tested.len() as u64).max(1.0);
    let check = |(segment, members): (&String, &Vec<usize>)| {
        let observed = counts(experiment, units, members.iter().copied());
        let p = exact_sample_ratio(&observed, &shares).value()?;
        let ok = p >= threshold;
        let state = if ok { "were split as planned" } else { "were not split as planned" };
        let finding = format!("{} of `{segment}` {state}: {observed:?} (p = {p:.2e})", counted(units));
        let advice =
            format!("check how `{segment}` is exposed: a variant may reach or lose its units differently");
        Some(HealthCheck {
            p: Some(p),
            threshold: Some(threshold),
            ..HealthCheck::gate("sample_ratio", segment, ok, finding, &advice)
        })
    };
    tested.into_iter().filter_map(check).collect()
}

const PRE_PERIOD_ADVICE: &str = "variants differed before the treatment: look for assignment that depends on behaviour, \
                                 exposures that are logged after the treatment began, and carry-over from an earlier experiment";

/// The covariate of control against each treatment: before exposure there can be no effect.
fn pre_period(data: &UnitData<'_>, before: &[(&str, Outcomes<'_>)]) -> Vec<HealthCheck> {
    let experiment = data.observed.experiment;
    let group = |variant: &str| {
        data.divided.cells.group(Side::In(SegmentIndex::EVERYONE), experiment.index_of(variant))
    };
    let control = group(&experiment.control);
    let mut found = Vec::new();
    for (metric, outcomes) in before {
        for variant in experiment.treatments() {
            let arms = outcomes.arms(&control, &group(variant));
            if let Some(estimate) =
                compare(&arms.control, &arms.treatment, &Options::default()).absolute.value()
            {
                found.push((*metric, variant, estimate));
            }
        }
    }
    let threshold = THRESHOLD / as_number(found.len() as u64).max(1.0);
    let check = |(metric, variant, estimate): (&str, &str, tranche_stats::Estimate)| {
        let ok = estimate.p >= threshold;
        let state = if ok { "was alike" } else { "was not alike" };
        let finding = format!(
            "{metric} before exposure {state} in `{variant}` and `{}`: difference {:.5} (p = {:.2e})",
            experiment.control, estimate.effect, estimate.p
        );
        HealthCheck {
            metric: Some(metric.to_owned()),
            variant: Some(variant.to_owned()),
            p: Some(estimate.p),
            threshold: Some(threshold),
            ..HealthCheck::gate("pre_period", EVERYONE, ok, finding, PRE_PERIOD_ADVICE)
        }
    };
    found.into_iter().map(check).collect()
}

/// Units of each variant, or clusters where these were randomised.
fn counts(experiment: &Experiment, units: &Exposed, members: impl IntoIterator<Item = usize>) -> Vec<u64> {
    let mut of_variant = vec![Vec::new(); experiment.variants.len()];
    for unit in members {
        of_variant[units.variants[unit].0].push(unit);
    }
    let count = |own: Vec<usize>| match &units.clusters {
        Some(clusters) => clusters.distinct(own),
        None => own.len() as u64,
    };
    of_variant.into_iter().map(count).collect()
}

/// The name of the randomised unit.
fn counted(units: &Exposed) -> &'static str {
    if units.clusters.is_some() { "clusters" } else { "units" }
}
