//! A report as one self-contained page: inline style, inline SVG, no scripts, no network.
//!
//! [`render`] writes the sections that have content, in a fixed order; each section has its module. A chart is made by
//! [`bullet`], [`range_plot`], [`line_chart`] or [`sparkline`]; what a number means (better, worse, met) is decided in
//! [`interpretation`] and [`verdict`], and nowhere else. Markup is written with [`maud`], which escapes all text.

mod breakdown;
mod bullet;
mod data_quality;
mod dates;
mod effects;
mod experiments;
mod fragments;
mod header;
mod interpretation;
mod line_chart;
mod provenance;
mod range_plot;
mod scale;
mod scorecard;
mod section;
mod segments;
mod series;
mod sparkline;
mod summary;
mod table;
mod trend;
mod trust;
mod verdict;
mod wording;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use maud::{Markup, PreEscaped, html};
use tranche_project::legible;

use crate::document::ReportDocument;
use section::Section;

/// The page of a report: a complete HTML document that needs nothing else.
pub fn render(document: &ReportDocument) -> String {
    let sections: Vec<Section> = [
        scorecard::section(document),
        breakdown::section(document),
        trend::section(document),
        segments::section(document),
        experiments::section(document),
        data_quality::section(document),
    ]
    .into_iter()
    .flatten()
    .collect();
    let page = html! {
        (PreEscaped("<!doctype html>")) "\n"
        html lang="en" {
            "\n"
            head {
                "\n"
                meta charset="utf-8"; "\n"
                meta name="viewport" content="width=device-width, initial-scale=1"; "\n"
                meta name="color-scheme" content="light dark"; "\n"
                title { (header::page_title(document)) } "\n"
                style { "\n" (PreEscaped(include_str!("style.css"))) } "\n"
            }
            "\n"
            body {
                "\n"
                (header::html(document)) "\n"
                (navigation(&sections)) "\n"
                main { "\n" @for section in &sections { (section) } } "\n"
                (provenance::html(document)) "\n"
            }
            "\n"
        }
        "\n"
    };
    legible(&page.into_string()).into_owned()
}

/// Links to the sections, where there are several.
fn navigation(sections: &[Section]) -> Markup {
    html! {
        @if sections.len() > 1 {
            nav aria-label="Sections" {
                ul { @for Section { id, title, .. } in sections { li { a href={ "#" (id) } { (title) } } } }
            }
        }
    }
}
