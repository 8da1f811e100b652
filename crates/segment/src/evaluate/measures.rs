//! Measures from a scan: which groups and parts of time to read, and how to add up what was read.

use std::collections::HashMap;

use datafusion::logical_expr::Expr;
use tranche_sql::scan::{Aggregate, Cells, Group, Part, Target};

use crate::plan::{Measure, Window};

/// A measure, and the events that it is made of.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) measure: &'a Measure,
    pub(crate) contributions: Vec<Contribution>,
    /// Whether they are added to saved values, and subtracted from them.
    pub(crate) is_incremental: bool,
}

impl<'a> Wanted<'a> {
    /// A measure of all events of a class of files that are in its window.
    pub(crate) fn whole(measure: &'a Measure, class: usize) -> Self {
        let contributions = vec![Contribution { class, window: measure.window, sign: 1 }];
        Self { measure, contributions, is_incremental: false }
    }
}

/// An interval of time in one class of files whose events a measure adds, or subtracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contribution {
    pub(crate) class: usize,
    pub(crate) window: Window,
    pub(crate) sign: i8,
}

/// How a measure is made of a group: it is the sum of these columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) group: usize,
    pub(crate) columns: Vec<usize>,
}

/// What a scan has to compute for measures, and how each is made of it.
///
/// Measures that differ in their windows alone share a group. Where all events are read, which are many more than there are keys,
/// each event is added once, to the pane of time that it is in, and a window is the sum of the panes inside it (Li et al. 2005).
/// Where little is read, each event is added to the measures themselves, or subtracted from them, so that what did not change is
/// not read.
pub(crate) fn groups_of(wanted: &[Wanted<'_>]) -> (Vec<Group>, Vec<Recipe>) {
    let (mut groups, mut recipes): (Vec<Group>, Vec<Recipe>) = (Vec::new(), Vec::new());
    type Identity<'a> = (Aggregate, &'a Option<Expr>, &'a Option<Expr>, &'a [Expr], bool, usize);
    let mut members: HashMap<Identity<'_>, Vec<usize>> = HashMap::new();
    let mut order: Vec<Identity<'_>> = Vec::new();
    for (number, Wanted { measure, is_incremental, .. }) in wanted.iter().enumerate() {
        // Distinct values of two intervals do not add up to those of both.
        let is_alone = measure.aggregate == Aggregate::CountDistinct;
        let mut share = if is_alone { number + 1 } else { 0 };
        loop {
            let is_direct = is_alone || *is_incremental;
            let identity = (
                measure.aggregate,
                &measure.argument,
                &measure.order,
                measure.predicate.as_slice(),
                is_direct,
                share,
            );
            let others = members.entry(identity).or_insert_with(|| {
                order.push(identity);
                Vec::new()
            });
            if others.len() < WINDOWS_OF_A_GROUP {
                others.push(number);
                break;
            }
            share += wanted.len() + 1;
        }
    }
    recipes.resize(wanted.len(), Recipe { group: 0, columns: Vec::new() });
    for identity in order {
        let numbers = &members[&identity];
        let is_direct = identity.4;
        let of = |number: usize| wanted[number].contributions.as_slice();
        let contributions: Vec<Contribution> =
            numbers.iter().flat_map(|&number| of(number).iter().copied()).collect();
        let mut parts = parts_of(&contributions);
        for (place, part) in parts.iter_mut().enumerate() {
            part.targets = if is_direct {
                let targets = numbers
                    .iter()
                    .enumerate()
                    .map(|(column, &number)| Target { column, sign: sign(of(number), part) });
                targets.filter(|target| target.sign != 0).collect()
            } else {
                vec![Target { column: place, sign: 1 }]
            };
        }
        for (column, &number) in numbers.iter().enumerate() {
            let columns = if is_direct { vec![column] } else { pane_columns(of(number), &parts) };
            recipes[number] = Recipe { group: groups.len(), columns };
        }
        let measure = wanted[numbers[0]].measure;
        groups.push(Group {
            aggregate: measure.aggregate,
            argument: measure.argument.clone(),
            order: measure.order.clone(),
            predicate: measure.predicate.clone(),
            columns: if is_direct { numbers.len() } else { parts.len() + 1 },
            parts,
        });
    }
    (groups, recipes)
}

/// The columns of the panes inside a window. Behind the panes is a column of nothing, for windows without events.
fn pane_columns(contributions: &[Contribution], parts: &[Part]) -> Vec<usize> {
    let panes: Vec<usize> =
        (0..parts.len()).filter(|&place| sign(contributions, &parts[place]) != 0).collect();
    if panes.is_empty() { vec![parts.len()] } else { panes }
}

/// So many windows share a group; more would make its panes too many.
const WINDOWS_OF_A_GROUP: usize = 40;

/// The edges of all windows cut time into panes; those that count for no measure are left out.
fn parts_of(contributions: &[Contribution]) -> Vec<Part> {
    let mut classes: Vec<usize> = contributions.iter().map(|c| c.class).collect();
    classes.sort_unstable();
    classes.dedup();
    let mut parts = Vec::new();
    for class in classes {
        let own = || contributions.iter().filter(|c| c.class == class && !c.window.is_empty());
        let mut edges: Vec<i64> = own().flat_map(|c| [c.window.from, c.window.to]).collect();
        edges.sort_unstable();
        edges.dedup();
        let panes =
            edges.windows(2).map(|pair| Part { class, from: pair[0], to: pair[1], targets: Vec::new() });
        parts.extend(panes.filter(|part| own().any(|c| covers(c, part))));
    }
    parts
}

fn covers(contribution: &Contribution, part: &Part) -> bool {
    contribution.class == part.class
        && contribution.window.from <= part.from
        && part.to <= contribution.window.to
}

fn sign(contributions: &[Contribution], part: &Part) -> i8 {
    contributions
        .iter()
        .filter(|contribution| covers(contribution, part))
        .map(|contribution| contribution.sign)
        .sum()
}

/// The measures that are made of a group's columns, each with its number.
pub(crate) fn measures_of(columns: Vec<Cells>, mut recipes: Vec<(usize, Recipe)>) -> Vec<(usize, Cells)> {
    let mut uses = vec![0_usize; columns.len()];
    recipes.iter().flat_map(|(_, recipe)| &recipe.columns).for_each(|&column| uses[column] += 1);
    let mut columns: Vec<Option<Cells>> = columns.into_iter().map(Some).collect();
    // The widest windows first: a pane that no narrower one needs becomes the sum.
    recipes.sort_by_key(|(_, recipe)| std::cmp::Reverse(recipe.columns.len()));
    let mut found = Vec::new();
    for (number, recipe) in recipes {
        recipe.columns.iter().for_each(|&column| uses[column] -= 1);
        let mut panes = recipe.columns.clone();
        panes.sort_by_key(|&column| uses[column]);
        let mut sum: Option<Cells> = None;
        for column in panes {
            let cells = if uses[column] == 0 { columns[column].take() } else { None };
            match (&mut sum, cells, &columns[column]) {
                (None, Some(own), _) => sum = Some(own),
                (None, None, shared) => sum = shared.clone(),
                (Some(sum), Some(other), _) => sum.add(&other, 1),
                (Some(sum), None, Some(other)) => sum.add(other, 1),
                (Some(_), None, None) => {}
            }
        }
        found.extend(sum.map(|sum| (number, sum)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(from: i64, to: i64) -> Measure {
        let window = Window { from, to };
        Measure { aggregate: Aggregate::Count, argument: None, order: None, predicate: Vec::new(), window }
    }

    #[test]
    fn nested_windows_are_sums_of_rings() {
        let measures = [measure(0, 10), measure(5, 10), measure(20, 20), measure(5, 10)];
        let wanted: Vec<Wanted<'_>> = measures.iter().map(|measure| Wanted::whole(measure, 0)).collect();
        let (groups, recipes) = groups_of(&wanted);
        let parts: Vec<(i64, i64)> = groups[0].parts.iter().map(|part| (part.from, part.to)).collect();
        assert_eq!(parts, [(0, 5), (5, 10)]);
        let columns = vec![Cells::Count(vec![1, 2]), Cells::Count(vec![10, 20]), Cells::Count(vec![0, 0])];
        let mut found = measures_of(columns, recipes.into_iter().enumerate().collect());
        found.sort_by_key(|(number, _)| *number);
        let counts = [vec![11, 22], vec![10, 20], vec![0, 0], vec![10, 20]].map(Cells::Count);
        assert!(found.into_iter().map(|(_, cells)| cells).eq(counts));
    }

    #[test]
    fn what_enters_and_leaves_goes_to_the_measures_themselves() {
        let measures = [measure(1, 11), measure(6, 11)];
        let window = |from, to| Window { from, to };
        let change = |class, window, sign| Contribution { class, window, sign };
        let changes = [
            vec![change(0, window(0, 1), -1), change(2, window(1, 11), 1)],
            vec![change(0, window(5, 6), -1), change(2, window(6, 11), 1)],
        ];
        let wanted = measures.iter().zip(changes);
        let wanted: Vec<Wanted<'_>> = wanted
            .map(|(measure, contributions)| Wanted { measure, contributions, is_incremental: true })
            .collect();
        let (groups, recipes) = groups_of(&wanted);
        let target = |column, sign| Target { column, sign };
        let parts: Vec<_> =
            groups[0].parts.iter().map(|part| (part.class, part.from, part.to, &part.targets[..])).collect();
        assert_eq!(
            parts,
            [
                (0, 0, 1, &[target(0, -1)][..]),
                (0, 5, 6, &[target(1, -1)]),
                (2, 1, 6, &[target(0, 1)]),
                (2, 6, 11, &[target(0, 1), target(1, 1)]),
            ]
        );
        assert_eq!(recipes.iter().map(|recipe| &recipe.columns[..]).collect::<Vec<_>>(), [&[0], &[1]]);
    }
}
