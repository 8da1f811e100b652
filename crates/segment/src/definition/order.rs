//! The order in which segments are computed: each after those that it refers to.

use indexmap::IndexMap;
use tranche_project::{Position, Problems};

use super::in_segment::references;
use super::names::SegmentName;
use crate::definition::validated::{SegmentDefinition, SegmentKind};

/// The definitions in order. Unknown references and cycles are reported, with the cycle; those in a cycle come last.
pub(crate) fn in_order(
    mut segments: IndexMap<String, SegmentDefinition>,
    problems: &mut Problems,
) -> IndexMap<String, SegmentDefinition> {
    let names: Vec<String> = segments.keys().cloned().collect();
    let shapes: IndexMap<String, (SegmentKind, String)> = segments
        .iter()
        .map(|(name, definition)| (name.clone(), (definition.kind, definition.entity.clone())))
        .collect();
    for definition in segments.values_mut() {
        let mut found = Vec::new();
        for need in std::mem::take(&mut definition.needs) {
            match refused(&need, &definition.entity, &shapes) {
                Some(message) => {
                    problems.report(&definition.file, reference_position(definition, &need), message)
                }
                None => found.push(SegmentName::parse(&need).definition.to_owned()),
            }
        }
        definition.needs = found;
    }
    let mut walk =
        Walk { segments: &segments, states: IndexMap::new(), path: Vec::new(), done: Vec::new(), problems };
    for name in &names {
        walk.visit(name);
    }
    let order = walk.done;
    let mut ordered: IndexMap<_, _> =
        order.into_iter().filter_map(|name| segments.shift_remove_entry(&name)).collect();
    ordered.extend(segments);
    ordered
}

/// Why a reference to a segment cannot be followed, if it cannot.
fn refused(need: &str, entity: &str, shapes: &IndexMap<String, (SegmentKind, String)>) -> Option<String> {
    let SegmentName { definition: name, label } = SegmentName::parse(need);
    let Some((kind, of)) = shapes.get(name) else { return Some(format!("there is no segment `{need}`")) };
    if of != entity {
        return Some(format!("`{need}` is a segment of `{of}`, not of `{entity}`"));
    }
    match (kind, label) {
        (SegmentKind::Set, None) => {
            Some(format!("`{name}` is a set; name one of its segments, such as `{name}/<label>`"))
        }
        (SegmentKind::Single, Some(_)) => {
            Some(format!("there is no segment `{need}`; `{name}` is not a set"))
        }
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Sound,
    Broken,
}

struct Walk<'a> {
    segments: &'a IndexMap<String, SegmentDefinition>,
    states: IndexMap<String, State>,
    path: Vec<String>,
    done: Vec<String>,
    problems: &'a mut Problems,
}

impl Walk<'_> {
    fn visit(&mut self, name: &str) -> State {
        match self.states.get(name) {
            Some(State::Open) => {
                self.report_cycle(name);
                return State::Broken;
            }
            Some(state) => return *state,
            None => {}
        }
        let Some(definition) = self.segments.get(name) else { return State::Broken };
        self.states.insert(name.to_owned(), State::Open);
        self.path.push(name.to_owned());
        let mut state = State::Sound;
        for need in &definition.needs {
            if self.visit(need) == State::Broken {
                state = State::Broken;
            }
        }
        self.path.pop();
        self.states.insert(name.to_owned(), state);
        if state == State::Sound {
            self.done.push(name.to_owned());
        }
        state
    }

    fn report_cycle(&mut self, name: &str) {
        let start = self.path.iter().position(|step| step == name).unwrap_or(0);
        let Some(last) = self.path.last().and_then(|last| self.segments.get(last)) else { return };
        let cycle: Vec<&str> = self.path[start..].iter().map(String::as_str).chain([name]).collect();
        let message = format!("segments refer to each other in a circle: {}", cycle.join(" -> "));
        self.problems.report(&last.file, reference_position(last, name), message);
    }
}

/// Where a definition mentions another segment.
fn reference_position(definition: &SegmentDefinition, segment: &str) -> Position {
    let is_it = |name: &str| name == segment || SegmentName::parse(name).definition == segment;
    let found = references(definition.file.text()).into_iter().find(|reference| is_it(&reference.segment));
    found.map_or(Position::START, |reference| reference.position)
}
