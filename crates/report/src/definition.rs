//! A report that holds together: validated, and checked against metrics and segments.

use indexmap::IndexMap;
use tranche_metric::{Metric, Metrics};
use tranche_project::{DefinitionKind, Named, Problems, Project, SourceFile, Spanned, check_version, yaml};
use tranche_segment::{Definitions, EVERYONE};

use crate::document::{Benchmark, PeriodUnit};
use crate::spec::{CompareSpec, FormatSpec, PeriodSpec, ReportSpec, SectionSpec};

/// KPIs per segment over a period.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// What to call it on the page.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How long a period is.
    pub unit: PeriodUnit,
    /// Whether it is compared with the year before instead of the period before.
    pub last_year: bool,
    /// The segments to show, as written.
    pub segments: Vec<Spanned<String>>,
    /// The metrics to show.
    pub kpis: Vec<KpiChoice>,
    /// What the page shows.
    pub sections: Vec<Section>,
    /// Whether a page is written beside the document.
    pub page: bool,
    /// Where it is defined.
    pub file: SourceFile,
}

/// A metric with what it should reach.
#[derive(Debug, Clone)]
pub struct KpiChoice {
    /// The metric, with its place in the file.
    pub metric: Spanned<String>,
    /// The value aimed at.
    pub target: Option<f64>,
    /// What others reach.
    pub benchmark: Option<Benchmark>,
}

/// A section of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// KPIs per segment.
    Scorecard,
    /// A line per KPI.
    Trends,
    /// Segment sizes with entered and exited.
    Segments,
    /// What experiments showed.
    Experiments,
    /// What was read and rejected.
    DataQuality,
}

impl Report {
    /// Whether its page has a section.
    pub(crate) fn shows(&self, section: Section) -> bool {
        self.sections.contains(&section)
    }

    /// Whether a section of its page is about KPIs.
    pub(crate) fn shows_kpis(&self) -> bool {
        self.shows(Section::Scorecard) || self.shows(Section::Trends)
    }

    /// The metrics that it is about: those of its KPIs, where a section shows them.
    pub(crate) fn metrics<'a>(&'a self, metrics: &'a Metrics) -> Vec<&'a Metric> {
        let chosen = if self.shows_kpis() { self.chosen(metrics) } else { Vec::new() };
        chosen.into_iter().map(|(_, metric)| metric).collect()
    }

    /// Its KPIs with their metrics.
    pub(crate) fn chosen<'a>(&'a self, metrics: &'a Metrics) -> Vec<(&'a KpiChoice, &'a Metric)> {
        let known = |kpi: &'a KpiChoice| Some((kpi, metrics.get(&kpi.metric.value)?));
        self.kpis.iter().filter_map(known).collect()
    }
}

impl Section {
    const ALL: [Self; 5] =
        [Self::Scorecard, Self::Trends, Self::Segments, Self::Experiments, Self::DataQuality];
}

/// Reads the reports of a pipeline; problems are reported and what is unsound is left out.
pub fn read(project: &Project, pipeline: &str, problems: &mut Problems) -> IndexMap<String, Report> {
    let mut reports = Named::new("report");
    for file in project.definitions(pipeline, DefinitionKind::Report) {
        let Some(spec) = yaml::read::<ReportSpec>(file, problems) else { continue };
        check_version(&spec.version, file, problems);
        let at = spec.report.referenced;
        let report = validate(spec, file);
        reports.add(&report.name.clone(), report, file, at, problems);
    }
    reports.into_definitions().collect()
}

fn validate(spec: ReportSpec, file: &SourceFile) -> Report {
    let sections = match spec.sections {
        None => Section::ALL.to_vec(),
        Some(sections) => sections.into_iter().map(section).collect(),
    };
    Report {
        name: spec.report.value,
        title: spec.title,
        description: spec.description,
        unit: match spec.period {
            PeriodSpec::Day => PeriodUnit::Day,
            PeriodSpec::Week => PeriodUnit::Week,
            PeriodSpec::Month => PeriodUnit::Month,
            PeriodSpec::Quarter => PeriodUnit::Quarter,
            PeriodSpec::Year => PeriodUnit::Year,
        },
        last_year: spec.compare == Some(CompareSpec::LastYear),
        segments: spec.segments,
        kpis: spec
            .kpis
            .into_iter()
            .map(|kpi| KpiChoice {
                metric: kpi.metric,
                target: kpi.target,
                benchmark: kpi.benchmark.map(|b| Benchmark { value: b.value, source: b.source }),
            })
            .collect(),
        sections,
        page: spec.formats.is_none_or(|formats| formats.contains(&FormatSpec::Html)),
        file: file.clone(),
    }
}

fn section(spec: SectionSpec) -> Section {
    match spec {
        SectionSpec::Scorecard => Section::Scorecard,
        SectionSpec::Trends => Section::Trends,
        SectionSpec::Flows => Section::Segments,
        SectionSpec::Experiments => Section::Experiments,
        SectionSpec::DataQuality => Section::DataQuality,
    }
}

/// Checks reports against metrics and segments; reports every problem.
pub fn check(
    reports: &IndexMap<String, Report>,
    definitions: &Definitions,
    metrics: &Metrics,
    problems: &mut Problems,
) {
    for report in reports.values() {
        for kpi in &report.kpis {
            if metrics.get(&kpi.metric.value).is_none() {
                problems.report(&report.file, kpi.metric.referenced, metrics.unknown(&kpi.metric.value));
            }
        }
        for segment in &report.segments {
            if segment.value != EVERYONE && definitions.definition_of(&segment.value).is_none() {
                problems.report(
                    &report.file,
                    segment.referenced,
                    format!("there is no segment `{}`", segment.value),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a report with these lines at its end.
    fn check(lines: &str, expected: Result<(&[Section], bool), (u64, u64, &str)>) {
        let text = format!("version: 1\nreport: monthly\nperiod: month\nsegments: [all]\n{lines}");
        let project = Project::from_files([("pipelines/shop/reports/monthly.yaml", text.as_str())]);
        let mut problems = Problems::default();
        let reports = read(&project, "shop", &mut problems);
        let problems = problems.into_sorted();
        match expected {
            Ok((sections, page)) => {
                assert!(problems.is_empty(), "{problems:?}");
                assert_eq!(
                    (reports["monthly"].sections.as_slice(), reports["monthly"].page),
                    (sections, page)
                );
            }
            Err((line, column, message)) => {
                let found: Vec<_> =
                    problems.iter().map(|one| (one.line, one.column, one.message.as_str())).collect();
                assert_eq!(found, [(line, column, message)]);
                assert_eq!(problems[0].file, "pipelines/shop/reports/monthly.yaml");
            }
        }
    }

    #[test]
    fn what_is_not_shown_or_written_is_refused() {
        check("", Ok((&Section::ALL, true)));
        check(
            "sections: [flows, scorecard]\nformats: [json]\n",
            Ok((&[Section::Segments, Section::Scorecard], false)),
        );
        let sections = "write one of scorecard, trends, flows, experiments, data_quality";
        check(
            "sections: [scorecard, overlap]\n",
            Err((5, 23, &format!("`overlap` is not known here; {sections}"))),
        );
        check(
            "sections:\n  - flows\n  - personas\n",
            Err((7, 5, &format!("`personas` is not known here; {sections}"))),
        );
        check("formats: [html, xlsx]\n", Err((5, 17, "`xlsx` is not known here; write one of html, json")));
    }
}
