//! Text into HTML: escaping, names that may wrap, the frame of a section.

/// A titled part of the page.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// How to read it, in a sentence or two. HTML.
    pub(super) note: String,
    /// HTML.
    pub(super) body: String,
}

impl Section {
    pub(super) fn html(&self) -> String {
        let Self { id, title, note, body } = self;
        format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<div class=\"aside\"><h2 id=\"{id}-title\">{title}</h2>\
             <p>{note}</p></div>\n<div class=\"body\">\n{body}</div>\n</section>\n"
        )
    }
}

/// `text` with the five characters that mean something in HTML escaped.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(character),
        }
    }
    html
}

/// A name, escaped, that may wrap after its separators. Not for attributes.
pub(super) fn name(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for part in text.split_inclusive(['_', '/', '.', '-']) {
        if !html.is_empty() {
            html.push_str("<wbr>");
        }
        html.push_str(&escape(part));
    }
    html
}

/// A metric's name in words, not escaped: `average_order_value` is "average order value".
pub(super) fn words(metric: &str) -> String {
    metric.replace('_', " ")
}

/// The same text, beginning with a capital letter.
pub(super) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// A metric's name as a heading, escaped.
pub(super) fn metric_heading(metric: &str) -> String {
    escape(&capitalised(&words(metric)))
}

/// Bounds, escaped, that wrap only between the two: a sign stays with its number.
pub(super) fn bounds(text: &str) -> String {
    let parts: Vec<String> =
        text.split(" to ").map(|part| format!("<span class=\"n\">{}</span>", escape(part))).collect();
    parts.join(" to ")
}

/// A paragraph, or nothing for no text.
pub(super) fn paragraph(class: &str, text: Option<&str>) -> String {
    match text.map(str::trim) {
        Some(text) if !text.is_empty() => format!("<p class=\"{class}\">{}</p>", escape(text)),
        _ => String::new(),
    }
}

/// "1 row", "2 rows". The count is written by the caller, as people read it.
pub(super) fn counted(count: usize, written: &str, noun: &str) -> String {
    if count == 1 { format!("{written} {noun}") } else { format!("{written} {noun}s") }
}

/// "a", "a and b", "a, b and c"
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_names_may_wrap() {
        assert_eq!(escape("<a href='x'>\"&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;");
        assert_eq!(name("lifecycle/very_<new>"), "lifecycle/<wbr>very_<wbr>&lt;new&gt;");
        assert_eq!(metric_heading("average_order_value"), "Average order value");
    }

    #[test]
    fn lists_read_as_sentences() {
        let items: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        assert_eq!(
            [listed(&items[..1]), listed(&items[..2]), listed(&items)],
            ["a", "a and b", "a, b and c"]
        );
    }
}
