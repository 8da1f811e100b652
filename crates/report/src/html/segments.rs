//! Who is in each segment: sizes as bars, who entered and exited, and how sizes went. A set's segments stand together.

use maud::{Markup, html};

use super::fragments::name;
use super::section::Section;
use super::table::{self, Column, Group};
use super::wording::counted;
use super::{dates, sparkline};
use crate::document::{ReportDocument, SegmentSummary};
use crate::number::{MISSING, integer, percent};

/// The section, if there are segments.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    let largest = document.segments.iter().map(|segment| segment.size).max()?;
    let columns = [
        Column::text("Segment"),
        Column::plot("Size, drawn", &Markup::default()),
        Column::number("Members"),
        Column::number("Share"),
        Column::number("Entered"),
        Column::number("Exited"),
        Column::plot("Size over time", &html! { span aria-hidden="true" { "Over time" } }),
    ];
    let mixed = document.segments.iter().any(|segment| segment.set.is_some());
    let groups: Vec<Group> = document
        .segments
        .chunk_by(|one, other| one.set == other.set)
        .map(|segments| group(segments, largest, mixed))
        .collect();
    let note = html! {
        "Members at the instant of this report, and who entered or exited since the refresh before. The segments of a set \
         exclude each other."
    };
    let body = table::html("Segments: sizes and changes", "segments", &columns, &groups);
    Some(Section { id: "segments", title: "Segments", note, body })
}

fn group(segments: &[SegmentSummary], largest: u64, mixed: bool) -> Group {
    let heading = match segments.first().and_then(|segment| segment.set.as_ref()) {
        Some(set) => {
            let members = segments.iter().map(|segment| segment.size).fold(0, u64::saturating_add);
            let count = counted(segments.len(), &segments.len().to_string(), "segment");
            Some(html! {
                (name(set)) " " span.role { "set of " (count) ", " (integer(members)) " members" }
            })
        }
        None => mixed.then(|| html! { "Single segments " span.role { "may overlap" } }),
    };
    Group { heading, rows: segments.iter().map(|segment| cells(segment, largest)).collect() }
}

fn cells(segment: &SegmentSummary, largest: u64) -> Vec<Markup> {
    let signed = |sign: &str, count: Option<u64>| match count {
        None => MISSING.to_owned(),
        Some(0) => "0".to_owned(),
        Some(count) => format!("{sign}{}", integer(count)),
    };
    vec![
        label(segment),
        bar(segment.size, largest),
        html! { b { (integer(segment.size)) } },
        html! { (percent(segment.share)) },
        html! { (signed("+", segment.entered)) },
        html! { (signed("−", segment.exited)) },
        history(segment),
    ]
}

fn label(segment: &SegmentSummary) -> Markup {
    let prefix = segment.set.as_ref().map_or(String::new(), |set| format!("{set}/"));
    let short =
        segment.segment.strip_prefix(&prefix).filter(|rest| !rest.is_empty()).unwrap_or(&segment.segment);
    let description = segment.description.as_deref().filter(|text| !text.trim().is_empty());
    html! {
        (name(short))
        @if let Some(text) = description { span.about { (text) } }
    }
}

fn bar(size: u64, largest: u64) -> Markup {
    let width = if largest == 0 { 0.0 } else { size as f64 / largest as f64 * 100.0 };
    html! {
        svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="100" height="10" {}
            rect.fill width=(format!("{width:.2}")) height="10" {}
        }
    }
}

fn history(segment: &SegmentSummary) -> Markup {
    let sizes: Vec<f64> = segment.history.iter().map(|point| point.size as f64).collect();
    let (Some(first), Some(last)) = (segment.history.first(), segment.history.last()) else {
        return html! { span.small { "no history yet" } };
    };
    let description = format!(
        "{} members on {}, {} on {}",
        integer(first.size),
        dates::instant(&first.as_of),
        integer(last.size),
        dates::instant(&last.as_of)
    );
    sparkline::svg(&sizes, &description).unwrap_or_else(|| html! { span.small { "one refresh so far" } })
}
