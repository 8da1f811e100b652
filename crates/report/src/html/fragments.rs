//! Small pieces of markup that several sections use.

use maud::{Markup, Render, html};

/// A name that may wrap after its separators. Not for attributes.
pub(super) fn name(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split_inclusive(['_', '/', '.', '-']).enumerate() {
            @if place > 0 { wbr; }
            (part)
        }
    }
}

/// Bounds that wrap only between the two: a sign stays with its number.
pub(super) fn bounds(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split(" to ").enumerate() {
            @if place > 0 { " to " }
            span.n { (part) }
        }
    }
}

/// A paragraph, or nothing for no text.
pub(super) fn paragraph(class: &str, text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) { p class=(class) { (text) } }
    }
}

/// A term and what it is, in a list of those.
pub(super) fn fact(term: &str, text: impl Render) -> Markup {
    html! { div { dt { (term) } dd { (text) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_names_may_wrap() {
        let link = "<a href='x'>\"&\"</a>";
        let expected = "<p class=\"small\">&lt;a href='x'&gt;&quot;&amp;&quot;&lt;/a&gt;</p>";
        assert_eq!(paragraph("small", Some(link)).into_string(), expected);
        assert_eq!(name("lifecycle/very_<new>").into_string(), "lifecycle/<wbr>very_<wbr>&lt;new&gt;");
    }
}
