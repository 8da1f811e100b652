//! Windows cut into panes at each other's edges: a fact falls into one pane, and a window is the sum of its
//! panes (Li et al. 2005).
//!
//! Twenty windows of different lengths before exposure are twenty panes. A fact is added once, not to every
//! window that contains it, and adding up the panes costs what the units cost, not what their facts do.

use std::collections::HashMap;

use tranche_sql::SqlError;

use super::column::Column;
use crate::plan::{ColumnId, Window, id};

id! {
    /// A column of the facts in one pane.
    PaneId
}

/// The panes that add up to a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PaneSum {
    pub(crate) column: ColumnId,
    pub(crate) panes: Vec<PaneId>,
}

/// The panes of windows: disjoint, and rising.
pub(crate) fn panes(windows: &[Window]) -> Vec<Window> {
    let mut edges: Vec<i64> = windows.iter().flat_map(|window| [window.from, window.to]).collect();
    edges.sort_unstable();
    edges.dedup();
    let panes = edges.windows(2).map(|pair| Window { from: pair[0], to: pair[1] });
    panes.filter(|pane| windows.iter().any(|window| window.contains(*pane))).collect()
}

/// Adds up the panes of each column.
pub(crate) fn add_up(
    mut panes: HashMap<PaneId, Column>,
    mut sums: Vec<PaneSum>,
) -> Result<HashMap<ColumnId, Column>, SqlError> {
    let mut uses: HashMap<PaneId, usize> = HashMap::new();
    sums.iter().flat_map(|sum| &sum.panes).for_each(|&pane| *uses.entry(pane).or_default() += 1);
    // The widest windows last: most of each is a window that is added up already.
    sums.sort_by_key(|sum| sum.panes.len());
    let mut columns: HashMap<ColumnId, Column> = HashMap::new();
    for (place, sum) in sums.iter().enumerate() {
        let is_part = |other: &&PaneSum| {
            other.panes.len() > 1 && other.panes.iter().all(|pane| sum.panes.contains(pane))
        };
        let part = sums[..place].iter().rev().find(is_part);
        let mut column = part.and_then(|part| columns.get(&part.column).cloned());
        let is_missing = |pane: &&PaneId| !part.is_some_and(|part| part.panes.contains(pane));
        for pane in sum.panes.iter().filter(is_missing) {
            match (&mut column, panes.get(pane)) {
                (Some(column), Some(pane)) => column.add_column(pane)?,
                (None, Some(_)) if uses.get(pane) == Some(&1) => column = panes.remove(pane),
                (None, shared) => column = shared.cloned(),
                (Some(_), None) => {}
            }
        }
        for pane in &sum.panes {
            let left = uses.entry(*pane).or_insert(1);
            *left -= 1;
            if *left == 0 {
                panes.remove(pane);
            }
        }
        columns.extend(column.map(|column| (sum.column, column)));
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Id;

    fn window(from: i64, to: i64) -> Window {
        Window { from, to }
    }

    #[test]
    fn windows_are_cut_at_the_edges_of_others() {
        let check =
            |windows: &[Window], expected: &[Window]| assert_eq!(panes(windows), expected, "{windows:?}");
        check(&[window(0, 10)], &[window(0, 10)]);
        check(
            &[window(-28, 0), window(-7, 0), window(0, 14)],
            &[window(-28, -7), window(-7, 0), window(0, 14)],
        );
        check(&[window(0, 2), window(5, 9)], &[window(0, 2), window(5, 9)]);
        check(&[window(0, 5), window(3, i64::MAX)], &[window(0, 3), window(3, 5), window(5, i64::MAX)]);
    }

    #[test]
    fn a_window_is_the_sum_of_its_panes() {
        let panes = [[1, 2], [10, 20], [100, 200], [5, 6]].map(|counts| Column::Counts(counts.to_vec()));
        let panes = panes.into_iter().enumerate().map(|(place, column)| (PaneId::at(place), column));
        let sum = |column: usize, panes: &[usize]| PaneSum {
            column: ColumnId::at(column),
            panes: panes.iter().copied().map(PaneId::at).collect(),
        };
        let sums = vec![sum(7, &[0, 1, 2]), sum(3, &[1]), sum(5, &[1, 2]), sum(4, &[3]), sum(9, &[0, 1, 2])];
        let columns = add_up(panes.collect(), sums).unwrap();
        let expected = [(7, [111, 222]), (3, [10, 20]), (5, [110, 220]), (4, [5, 6]), (9, [111, 222])];
        assert_eq!(columns.len(), expected.len());
        for (column, counts) in expected {
            let found = &columns[&ColumnId::at(column)];
            assert_eq!(found.first_difference(&Column::Counts(counts.to_vec())), None, "{column}");
        }
    }
}
