//! A report as one self-contained page: inline style, inline SVG, no scripts, no network.
//!
//! [`render`] writes the sections that have content, in a fixed order; each section has its module. A chart is made by
//! [`bullet`], [`range_plot`], [`line_chart`] or [`sparkline`]; what a number means (better, worse, met) is decided in [`reading`]
//! and [`verdict`], and nowhere else.

mod breakdown;
mod bullet;
mod data_quality;
mod effects;
mod experiments;
mod header;
mod line_chart;
mod markup;
mod moment;
mod provenance;
mod range_plot;
mod reading;
mod scale;
mod scorecard;
mod segments;
mod series;
mod sparkline;
mod summary;
mod table;
mod trend;
mod trust;
mod verdict;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use crate::document::ReportDocument;
use markup::Section;

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
    let contents: String = sections
        .iter()
        .map(|section| format!("<li><a href=\"#{}\">{}</a></li>", section.id, section.title))
        .collect();
    let navigation = if sections.len() > 1 {
        format!("<nav aria-label=\"Sections\"><ul>{contents}</ul></nav>")
    } else {
        String::new()
    };
    let body: String = sections.iter().map(Section::html).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{style}</style>\n</head>\n\
         <body>\n{header}\n{navigation}\n<main>\n{body}</main>\n{footer}\n</body>\n</html>\n",
        title = header::page_title(document),
        style = include_str!("style.css"),
        header = header::html(document),
        footer = provenance::html(document),
    )
}
