//! The page as a whole: complete, well formed, safe, and without numbers that are none.

use super::fixture::{crowded, document, empty};
use super::render;
use crate::document::{ReportDocument, SegmentSummary};

const SECTIONS: [&str; 6] = ["scorecard", "by-segment", "trends", "segments", "experiments", "data-quality"];
const VOID: [&str; 3] = ["meta", "br", "wbr"];

#[test]
fn every_page_is_well_formed_and_free_of_non_numbers() {
    for document in [document(), crowded(), empty()] {
        let page = render(&document);
        check_tags(&page);
        let text = without_tags(&page);
        for word in ["NaN", "inf", "None", "Some("] {
            let found = text
                .split(|character: char| !character.is_alphanumeric() && character != '(')
                .any(|part| part == word);
            assert!(!found, "`{word}` in the text of {:?}", document.title);
        }
        for drawing in ["NaN", "inf,", "inf\"", "inf "] {
            assert!(
                !page.replace(&text, "").contains(drawing),
                "`{drawing}` in a drawing of {:?}",
                document.title
            );
        }
    }
}

#[test]
fn every_section_with_content_appears_once() {
    let page = render(&document());
    for id in SECTIONS {
        assert_eq!(page.matches(&format!("<section id=\"{id}\"")).count(), 1, "{id}");
        assert!(page.contains(&format!("href=\"#{id}\"")), "{id} in the contents");
    }
}

#[test]
fn nothing_to_show_is_a_page_without_sections() {
    let page = render(&empty());
    assert!(!page.contains("<section"));
    assert!(page.contains("There is nothing to compare in this period."));
    assert!(page.contains("No table versions are recorded."));
}

#[test]
fn text_cannot_become_markup() {
    let page = render(&crowded());
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = render(&document());
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn ids_are_unique() {
    for document in [document(), crowded()] {
        let page = render(&document);
        let mut ids: Vec<&str> =
            page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}

#[test]
fn too_few_points_are_said_in_words() {
    let page = render(&crowded());
    assert!(page.contains("Not measured in any week so far."));
    assert!(page.contains("One week measured so far"));
    let one = SegmentSummary {
        history: document().segments[0].history[..1].to_vec(),
        ..document().segments[0].clone()
    };
    assert!(render(&ReportDocument { segments: vec![one], ..empty() }).contains("one refresh so far"));
}

#[test]
fn words_follow_direction_and_significance() {
    let page = without_tags(&render(&document())).replace(['\u{a0}', '\u{202f}'], " ");
    for words in [
        "Refund rate rose 22.5 % to 2.61 % (worse) and revenue rose 8.4 % to €36.24 (better) against Week 39",
        "1 of 4 targets met",
        "in the experiment winback, reminder raises orders by 14.8 %",
        "the results of free shipping cannot be trusted",
        "Target at most 2.00 %: missed, 30.5 % above",
        "Target 4.50 %: missed, 0.67 % below, too close to be sure",
        "Reminder raises orders by 14.8 % (+6.4 % to +23.3 %). Guardrails hold.",
        "Decision: ship. Reminder: orders is better.",
        "Inference: group sequential, look 2 of 4, alpha spent 0.0031: effect ± c se.",
        "Between segments differs the effect of reminder on orders in lapsing_vip (p = 0.0088), of 2 tests.",
        "The one check of the data passed.",
        "1 of 3 checks of the data failed.",
        "The effect of `free` on revenue hinges on a few units. Give the metric a `cap:`.",
        "Units first exposed per day, 1 Sep to 30 Sep: 319 to 371.",
        "Plan 5d41402abc4b registered 2 Sep 2026, 00:00 UTC, changed 1 time after the first exposure:",
        "Seen 10 Sep 2026, 00:00 UTC: metrics.secondary",
        "Each point is of all units exposed by that day, with what is known of them now.",
        "Not made to be watched: intervals have the critical value of the look that was taken.",
        "Effect of reminder on orders, all units so far",
        "within margin, p = 0.0055",
        "97.1 %expected loss 0.000080",
        "letter: ship, because:",
        "Letter has no clear effect on orders (−0.26 % to +16.6 %), and is better with a chance of 97.1 %.",
        "Do not act on these effects: units were not split as planned",
        "Unmatched ids: 12 in lapsing_vip and 341 in b2b.",
        "not computable: one unit in control",
    ] {
        assert!(page.contains(words), "missing: {words}");
    }
}

#[test]
fn the_json_form_holds_all_that_the_page_shows() {
    for document in [document(), crowded(), empty()] {
        let json = serde_json::to_string(&document).unwrap_or_default();
        let read: Option<ReportDocument> = serde_json::from_str(&json).ok();
        assert_eq!(read.as_ref().map(render), Some(render(&document)), "{:?}", document.title);
    }
}

/// Every tag that opens is closed in order.
fn check_tags(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if tag.starts_with('!') || VOID.contains(&name) || tag.ends_with('/') {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closing </{name}>");
        } else {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

/// The text between tags, without the style.
fn without_tags(page: &str) -> String {
    let (_, body) = page.split_once("</style>").unwrap_or(("", page));
    body.split('<').filter_map(|part| part.split_once('>').map(|(_, text)| text)).collect()
}
