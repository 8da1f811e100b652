//! Validation of `families:`.

use tranche_project::{Location, Problems, SourceFile, Spanned};
use tranche_scorecard::MetricRole;
use tranche_segment::{EVERYONE, Pattern};
use tranche_stats::Adjustment;

use crate::definition::families::DeclaredFamily;
use crate::definition::spec::{AdjustSpec, ExperimentSpec, FamilySpec};

/// Validates `families:`; every problem is reported.
pub(crate) fn validate(
    spec: &ExperimentSpec,
    file: &SourceFile,
    problems: &mut Problems,
) -> Vec<DeclaredFamily> {
    let mut families: Vec<DeclaredFamily> = Vec::new();
    for (name, written) in &spec.statistics.families {
        let at = written.referenced;
        if MetricRole::named(name).is_some() {
            let message =
                format!("`{name}` is the default family of that role's metrics; give this one another name");
            problems.report(file, at, message);
        }
        let adjust = match written
            .value
            .adjust
            .as_ref()
            .or(spec.statistics.adjust.as_ref())
            .map(|adjust| adjust.value)
        {
            Some(adjust) if adjust != AdjustSpec::None => adjustment(Some(adjust)),
            _ => {
                let message = format!(
                    "family `{name}` does not say how it is adjusted; write `adjust: holm`, for example"
                );
                problems.report(
                    file,
                    written.value.adjust.as_ref().map_or(at, |adjust| adjust.referenced),
                    message,
                );
                continue;
            }
        };
        check_members(&written.value, spec, file, problems);
        let values = |list: &[Spanned<String>]| list.iter().map(|item| item.value.clone()).collect();
        let family = DeclaredFamily {
            name: name.clone(),
            metrics: values(&written.value.metrics),
            segments: values(&written.value.segments),
            variants: values(&written.value.variants),
            adjust,
        };
        let shared = families.iter().find_map(|earlier| Some((earlier, earlier.shared_with(&family)?)));
        if let Some((earlier, comparison)) = shared {
            let message = format!(
                "families `{}` and `{name}` both hold {comparison}; a comparison is in one family at most",
                earlier.name
            );
            problems.report(file, at, message);
        }
        families.push(family);
    }
    families
}

/// What a family names must be compared in the experiment.
fn check_members(family: &FamilySpec, spec: &ExperimentSpec, file: &SourceFile, problems: &mut Problems) {
    let mut report = |at: Location, what: &str, name: &str, known: Vec<&str>| {
        let message = format!("`{name}` is no {what} of this experiment; it has {}", known.join(", "));
        problems.report(file, at, message);
    };
    let chosen = || spec.metrics.goal.iter().chain(&spec.metrics.secondary).chain(&spec.metrics.guardrail);
    for metric in
        family.metrics.iter().filter(|metric| !chosen().any(|choice| choice.value.metric == metric.value))
    {
        let known = chosen().map(|choice| choice.value.metric.as_str()).collect();
        report(metric.referenced, "metric", &metric.value, known);
    }
    let compared = |name: &str| {
        name == EVERYONE || spec.segments.iter().any(|own| Pattern::parse(&own.value).covers(name))
    };
    for segment in family.segments.iter().filter(|segment| !compared(&segment.value)) {
        let known =
            std::iter::once(EVERYONE).chain(spec.segments.iter().map(|own| own.value.as_str())).collect();
        report(segment.referenced, "segment", &segment.value, known);
    }
    let treatments =
        || spec.variants.value.keys().map(String::as_str).filter(|variant| *variant != spec.control.value);
    for variant in family.variants.iter().filter(|variant| !treatments().any(|own| own == variant.value)) {
        report(variant.referenced, "treatment", &variant.value, treatments().collect());
    }
}

/// How p-values are adjusted; not at all where nothing is said.
pub(super) fn adjustment(spec: Option<AdjustSpec>) -> Adjustment {
    match spec {
        None | Some(AdjustSpec::None) => Adjustment::None,
        Some(AdjustSpec::Bonferroni) => Adjustment::Bonferroni,
        Some(AdjustSpec::Holm) => Adjustment::Holm,
        Some(AdjustSpec::Hochberg) => Adjustment::Hochberg,
        Some(AdjustSpec::BenjaminiHochberg) => Adjustment::BenjaminiHochberg,
        Some(AdjustSpec::BenjaminiYekutieli) => Adjustment::BenjaminiYekutieli,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(metrics: &[&str], segments: &[&str], variants: &[&str]) -> DeclaredFamily {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        DeclaredFamily {
            name: "f".to_owned(),
            metrics: list(metrics),
            segments: list(segments),
            variants: list(variants),
            adjust: Adjustment::Holm,
        }
    }

    #[test]
    fn a_family_holds_what_it_names_and_all_where_it_names_nothing() {
        let some = family(&["orders"], &["all", "lifecycle/*"], &[]);
        for (metric, segment, held) in [
            ("orders", "all", true),
            ("orders", "lifecycle/new", true),
            ("orders", "vip", false),
            ("revenue", "all", false),
        ] {
            assert_eq!(some.holds(metric, segment, "b"), held, "{metric} {segment}");
        }
        assert!(family(&[], &[], &[]).holds("revenue", "vip", "c"));
        assert!(!family(&[], &[], &["b"]).holds("revenue", "vip", "c"));
    }

    #[test]
    fn families_share_a_comparison_when_all_three_parts_meet() {
        let shared = |a: &DeclaredFamily, b: &DeclaredFamily| (a.shared_with(b), b.shared_with(a).is_some());
        let goals = family(&["orders", "revenue"], &["all"], &[]);
        assert_eq!(shared(&goals, &family(&["visits"], &["all"], &[])), (None, false));
        assert_eq!(shared(&goals, &family(&["orders"], &["lifecycle/*"], &[])), (None, false));
        assert_eq!(
            shared(&goals, &family(&["revenue"], &[], &["b"])),
            (Some("`revenue` in `all` for `b`".to_owned()), true)
        );
        let sets = family(&[], &["lifecycle/*"], &[]);
        let label = family(&[], &["vip", "lifecycle/new"], &[]);
        assert_eq!(
            shared(&sets, &label),
            (Some("any metric in `lifecycle/new` for any variant".to_owned()), true)
        );
        assert_eq!(shared(&family(&[], &[], &["b"]), &family(&[], &[], &["c"])), (None, false));
    }
}
