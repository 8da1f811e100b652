//! Windows of one sum cut into rings at their edges: a fact falls into one ring, and a window is the sum of the rings inside it.
//!
//! Twenty windows of different lengths before exposure are twenty rings. A fact is added once, not to all windows that it is in, and
//! adding up the rings costs what the units cost, not what their facts do.

use std::collections::HashMap;

use tranche_sql::SqlError;

use crate::columns::Column;
use crate::population::Window;

/// Rings, by their numbers, that a window is the sum of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    /// The slot of the window.
    pub(crate) slot: usize,
    pub(crate) rings: Vec<usize>,
}

/// The rings of windows: apart from each other, and rising.
pub(crate) fn rings(windows: &[Window]) -> Vec<Window> {
    let mut edges: Vec<i64> = windows.iter().flat_map(|window| [window.from, window.to]).collect();
    edges.sort_unstable();
    edges.dedup();
    let rings = edges.windows(2).map(|pair| Window { from: pair[0], to: pair[1] });
    rings.filter(|ring| windows.iter().any(|window| is_inside(*ring, *window))).collect()
}

/// Whether a ring is inside a window.
pub(crate) fn is_inside(ring: Window, window: Window) -> bool {
    window.from <= ring.from && ring.to <= window.to
}

/// Adds up the rings of each window; they are given by their numbers.
pub(crate) fn added_up(
    mut rings: HashMap<usize, Column>,
    mut sums: Vec<Sum>,
) -> Result<HashMap<usize, Column>, SqlError> {
    let mut uses: HashMap<usize, usize> = HashMap::new();
    sums.iter().flat_map(|sum| &sum.rings).for_each(|&ring| *uses.entry(ring).or_default() += 1);
    // The widest windows last: most of each is a window that is made already.
    sums.sort_by_key(|sum| sum.rings.len());
    let mut made: HashMap<usize, Column> = HashMap::new();
    for (place, sum) in sums.iter().enumerate() {
        let inside =
            |other: &&Sum| other.rings.len() > 1 && other.rings.iter().all(|ring| sum.rings.contains(ring));
        let within = sums[..place].iter().rev().find(inside);
        let mut column = within.and_then(|within| made.get(&within.slot).cloned());
        for &ring in sum.rings.iter().filter(|ring| !within.is_some_and(|within| within.rings.contains(ring)))
        {
            match (&mut column, rings.get(&ring)) {
                (Some(column), Some(ring)) => column.join(ring)?,
                (None, Some(_)) if uses.get(&ring) == Some(&1) => column = rings.remove(&ring),
                (None, shared) => column = shared.cloned(),
                (Some(_), None) => {}
            }
        }
        for ring in &sum.rings {
            let left = uses.entry(*ring).or_insert(1);
            *left -= 1;
            if *left == 0 {
                rings.remove(ring);
            }
        }
        made.extend(column.map(|column| (sum.slot, column)));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window { from, to }
    }

    #[test]
    fn windows_are_cut_at_the_edges_of_others() {
        let check =
            |windows: &[Window], expected: &[Window]| assert_eq!(rings(windows), expected, "{windows:?}");
        check(&[window(0, 10)], &[window(0, 10)]);
        check(
            &[window(-28, 0), window(-7, 0), window(0, 14)],
            &[window(-28, -7), window(-7, 0), window(0, 14)],
        );
        check(&[window(0, 2), window(5, 9)], &[window(0, 2), window(5, 9)]);
        check(&[window(0, 5), window(3, i64::MAX)], &[window(0, 3), window(3, 5), window(5, i64::MAX)]);
    }

    #[test]
    fn a_window_is_the_sum_of_its_rings() {
        let rings = [[1, 2], [10, 20], [100, 200], [5, 6]].map(|counts| Column::Counts(counts.to_vec()));
        let sum = |slot: usize, rings: &[usize]| Sum { slot, rings: rings.to_vec() };
        let sums = vec![sum(7, &[0, 1, 2]), sum(3, &[1]), sum(5, &[1, 2]), sum(4, &[3]), sum(9, &[0, 1, 2])];
        let made = added_up(rings.into_iter().enumerate().collect(), sums).unwrap();
        let expected = [(7, [111, 222]), (3, [10, 20]), (5, [110, 220]), (4, [5, 6]), (9, [111, 222])];
        assert_eq!(made.len(), expected.len());
        for (slot, counts) in expected {
            assert_eq!(made[&slot].differs(&Column::Counts(counts.to_vec())), None, "{slot}");
        }
    }
}
