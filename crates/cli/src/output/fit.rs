//! Which columns of a table fit, and how wide each is.

use super::column::{Column, Importance, Kind};

/// What a column takes besides its text: a blank on each side, and a line.
const BESIDE: usize = 3;

/// The longest word of prose that is not shortened.
const LONGEST_WORD: usize = 40;

/// How wide the texts of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// In one line, without shortening.
    pub(super) line: usize,
    /// The longest word.
    pub(super) word: usize,
    /// Whether the texts are numbers.
    pub(super) is_number: bool,
}

/// A column that is shown, by its place in the table, and the room that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) column: usize,
    pub(super) width: usize,
}

/// The columns of a table that has to be no wider than `limit`. `extents` are those of its columns.
///
/// Texts are shortened first, down to what can still be read; then the least important columns are left out, those at the
/// right before those at the left. Numbers and instants are shown in full or not at all. What a row is called stays.
pub(super) fn fit(columns: &[Column], extents: &[Extent], limit: usize) -> Vec<Place> {
    let readable = |column: usize| readable(&columns[column], extents[column]);
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    while total(shown.iter().map(|&column| readable(column))) > limit {
        let droppable = shown.iter().copied().filter(|&column| columns[column].kind != Kind::Key);
        let Some(least) = droppable.min_by_key(|&column| (columns[column].importance, usize::MAX - column))
        else {
            break;
        };
        if shown.len() == 1 {
            break;
        }
        shown.retain(|&column| column != least);
    }
    let mut places: Vec<Place> =
        shown.iter().map(|&column| Place { column, width: readable(column) }).collect();
    widen(&mut places, extents, limit);
    places
}

/// The least width at which a column can be read.
fn readable(column: &Column, extent: Extent) -> usize {
    let least = match (column.kind, column.importance) {
        (Kind::Key, _) => 20,
        (Kind::Text, Importance::Main) => 16,
        (Kind::Any, _) if extent.is_number => return extent.line,
        (Kind::Text | Kind::Any, Importance::Detail) => LONGEST_WORD,
        (Kind::Text | Kind::Any, _) => 10,
        (Kind::Prose, _) => extent.word.clamp(20, LONGEST_WORD),
        _ => return extent.line,
    };
    extent.line.min(least.max(column.name.chars().count()))
}

/// Shares out the room that is left: the column that lacks least is served first.
fn widen(places: &mut [Place], extents: &[Extent], limit: usize) {
    let mut left = limit.saturating_sub(total(places.iter().map(|place| place.width)));
    let mut short: Vec<&mut Place> =
        places.iter_mut().filter(|place| place.width < extents[place.column].line).collect();
    short.sort_by_key(|place| extents[place.column].line - place.width);
    let mut waiting = short.len();
    for place in short {
        let more = (left / waiting).min(extents[place.column].line - place.width);
        place.width += more;
        left -= more;
        waiting -= 1;
    }
}

/// The width of a table whose columns are so wide.
fn total(widths: impl Iterator<Item = usize>) -> usize {
    widths.map(|width| width + BESIDE).sum::<usize>() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::key("segment"),
            Column::number("size").main(),
            Column::number("entered"),
            Column::text("note"),
            Column::number("unmatched").detail(),
        ]
    }

    fn check(natural: [usize; 5], limit: usize, expected: &[(usize, usize)]) {
        let extents = natural.map(|line| Extent { line, word: line.min(8), is_number: false });
        let found: Vec<(usize, usize)> =
            fit(&columns(), &extents, limit).iter().map(|place| (place.column, place.width)).collect();
        assert_eq!(found, expected, "{limit}");
    }

    #[test]
    fn a_table_that_fits_is_unchanged() {
        check([10, 5, 7, 20, 9], 67, &[(0, 10), (1, 5), (2, 7), (3, 20), (4, 9)]);
    }

    #[test]
    fn texts_are_shortened_before_a_column_goes() {
        check([10, 5, 7, 20, 9], 66, &[(0, 10), (1, 5), (2, 7), (3, 19), (4, 9)]);
        check([10, 5, 7, 20, 9], 57, &[(0, 10), (1, 5), (2, 7), (3, 10), (4, 9)]);
    }

    #[test]
    fn the_least_important_go_first_and_the_key_never() {
        check([10, 5, 7, 20, 9], 56, &[(0, 10), (1, 5), (2, 7), (3, 20)]);
        check([10, 5, 7, 20, 9], 44, &[(0, 10), (1, 5), (2, 7)]);
        check([10, 5, 7, 20, 9], 31, &[(0, 10), (1, 5)]);
        check([10, 5, 7, 20, 9], 3, &[(0, 10)]);
        check([40, 5, 7, 20, 9], 40, &[(0, 28), (1, 5)]);
    }
}
