//! The order of steps: what comes before what, what can go now, and what goes round in circles.

use std::collections::HashSet;

use super::pipeline::{Pipeline, Step};

impl Pipeline {
    /// The steps such that each comes after those it needs, otherwise as written.
    #[must_use]
    pub fn order(&self) -> Vec<&Step> {
        order(&self.steps)
    }
}

/// The steps such that each comes after those it needs, otherwise as written. Steps in a cycle are left out.
fn order(steps: &[Step]) -> Vec<&Step> {
    let mut ordered = Vec::with_capacity(steps.len());
    let mut done = HashSet::new();
    loop {
        let next = ready(steps, &done, &done).next();
        let Some(step) = next else { return ordered };
        done.insert(step.id.as_str());
        ordered.push(step);
    }
}

/// The steps that are not begun and whose needs are all done, as written.
pub(crate) fn ready<'s>(
    steps: &'s [Step],
    done: &HashSet<&'s str>,
    begun: &HashSet<&'s str>,
) -> impl Iterator<Item = &'s Step> {
    let can_go = |step: &&Step| {
        !begun.contains(step.id.as_str()) && step.needs.iter().all(|need| done.contains(need.as_str()))
    };
    steps.iter().filter(can_go)
}

/// The cycles of a graph in which `edges[a]` holds `b` when `a` needs `b`: each as a path that ends where it
/// begins, one for each edge that closes a circle when the nodes are visited in their order.
pub(crate) fn cycles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search =
        CycleSearch { edges, visited: vec![false; edges.len()], path: Vec::new(), found: Vec::new() };
    for node in 0..edges.len() {
        search.visit(node);
    }
    search.found
}

struct CycleSearch<'a> {
    edges: &'a [Vec<usize>],
    visited: Vec<bool>,
    path: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl CycleSearch<'_> {
    fn visit(&mut self, node: usize) {
        if let Some(start) = self.path.iter().position(|on_path| *on_path == node) {
            let mut cycle = self.path[start..].to_vec();
            cycle.push(node);
            self.found.push(cycle);
            return;
        }
        if std::mem::replace(&mut self.visited[node], true) {
            return;
        }
        self.path.push(node);
        for &next in &self.edges[node] {
            self.visit(next);
        }
        self.path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Retries, Targets};

    fn steps(written: &[(&str, &[&str])]) -> Vec<Step> {
        let step = |(id, needs): &(&str, &[&str])| Step {
            id: (*id).to_owned(),
            action: "ingest".into(),
            targets: Targets::All,
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            retries: Retries { max: 0, backoff: Retries::DEFAULT_BACKOFF, jitter_percent: 0 },
            timeout: None,
            on_failure: crate::definition::OnFailure::Stop,
            when: None,
        };
        written.iter().map(step).collect()
    }

    #[test]
    fn a_step_comes_after_what_it_needs() {
        let steps =
            steps(&[("report", &["tests", "load"]), ("load", &[]), ("tests", &["load"]), ("other", &[])]);
        let ids: Vec<&str> = order(&steps).into_iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["load", "tests", "report", "other"]);
    }

    #[test]
    fn steps_that_run_or_wait_are_not_ready() {
        let steps = steps(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        let ready = |done: &[&'static str], begun: &[&'static str]| {
            let (done, begun) = (done.iter().copied().collect(), begun.iter().copied().collect());
            ready(&steps, &done, &begun).map(|step| step.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ready(&[], &[]), ["a"]);
        assert_eq!(ready(&[], &["a"]), [""; 0]);
        assert_eq!(ready(&["a"], &["a"]), ["b", "c"]);
        assert_eq!(ready(&["a", "b"], &["a", "b", "c"]), [""; 0]);
        assert_eq!(ready(&["a", "b", "c"], &["a", "b", "c"]), ["d"]);
    }
}
