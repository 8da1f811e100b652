//! Names, counts and lists as plain text.

/// A metric's name in words: `average_order_value` is "average order value".
pub(super) fn words(metric: &str) -> String {
    metric.replace('_', " ")
}

/// The same text, beginning with a capital letter.
pub(super) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// A metric's name as a heading.
pub(super) fn metric_heading(metric: &str) -> String {
    capitalised(&words(metric))
}

/// "1 row", "2 rows". The count is written by the caller, as people read it.
pub(super) fn counted(count: usize, written: &str, noun: &str) -> String {
    if count == 1 { format!("{written} {noun}") } else { format!("{written} {noun}s") }
}

/// "a", "a and b", "a, b and c"
pub(super) fn listed(items: &[String]) -> String {
    let item = |(place, item): (usize, &String)| format!("{}{item}", separator(place, items.len()));
    items.iter().enumerate().map(item).collect()
}

/// What stands before an item in a list of so many.
pub(super) fn separator(place: usize, count: usize) -> &'static str {
    match place {
        0 => "",
        last if last + 1 == count => " and ",
        _ => ", ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_words() {
        assert_eq!(metric_heading("average_order_value"), "Average order value");
    }

    #[test]
    fn lists_read_as_sentences() {
        let items: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        assert_eq!(
            [listed(&[]), listed(&items[..1]), listed(&items[..2]), listed(&items)],
            ["", "a", "a and b", "a, b and c"]
        );
    }
}
