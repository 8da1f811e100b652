//! What must hold at the end of every simulation, read from the bucket as it is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tranche_pipeline::ledger::{Event, SlotDecision, SlotEntry, Started};
use tranche_pipeline::schedule::{ScheduleEvent, Trigger};
use tranche_pipeline::{RunRecord, RunStatus, Schedule};
use tranche_project::Project;

use crate::project::pipelines;
use crate::scenario::Outcome;
use crate::tables::{Version, rows_of, tables_of};
use crate::world::World;

const STEPS: [&str; 3] = ["load", "segments", "tests"];

/// Slots that came so shortly before the end may not be decided yet.
const UNDECIDED: SignedDuration = SignedDuration::from_mins(30);

/// How much too early a slot may be claimed: what clocks may be off.
const EARLY: SignedDuration = SignedDuration::from_secs(6);

struct Bucket {
    objects: BTreeMap<String, (Vec<u8>, Timestamp)>,
    wrong: Vec<String>,
}

/// Everything that was decided about a pipeline.
struct Decided {
    decisions: BTreeMap<Timestamp, (SlotEntry, Timestamp)>,
}

pub(crate) fn check(world: &World, end: Timestamp, project: &Project) -> Outcome {
    let objects = world.objects.lock().unwrap();
    let objects = objects
        .iter()
        .map(|(path, object)| (path.clone(), (object.bytes.to_vec(), object.written)))
        .collect();
    let mut bucket = Bucket { objects, wrong: Vec::new() };
    let mut outcome = Outcome {
        counts: world.counts(),
        wrong: Vec::new(),
        slots: 0,
        runs: 0,
        commits: 0,
        story: String::new(),
    };
    let scheduled: BTreeSet<String> = pipelines(project).into_iter().map(|pipeline| pipeline.name).collect();
    let runs = bucket.runs();
    let mut runs_of_slots = BTreeMap::new();
    for pipeline in ["shop", "crm", "mail"] {
        let decided = bucket.decided(pipeline);
        outcome.slots += decided.decisions.len();
        if scheduled.contains(pipeline) {
            bucket.every_slot_is_decided(pipeline, &decided, end);
            bucket.the_next_slot_runs(pipeline, &decided, &runs, end);
        }
        for (slot, (entry, written)) in &decided.decisions {
            if *written < *slot - EARLY {
                bucket.wrong.push(format!("{pipeline} {slot} was decided at {written}, before it came"));
            }
            let SlotDecision::Run { run_id, .. } = &entry.decision else { continue };
            if runs_of_slots.insert(run_id.clone(), (pipeline, *slot)).is_some() {
                bucket.wrong.push(format!("run {run_id} runs two slots"));
            }
            if scheduled.contains(pipeline) && *slot < end - UNDECIDED {
                bucket.the_run_has_ended(pipeline, *slot, runs.get(run_id));
            }
        }
    }
    bucket.every_run_is_of_a_slot(&runs, &runs_of_slots);
    outcome.commits = bucket.tables_and_ledger_agree(&runs, &runs_of_slots);
    outcome.runs = runs.len();
    outcome.story = bucket.story();
    outcome.wrong = bucket.wrong;
    outcome
}

impl Bucket {
    /// The documents of a log, by its folder: `prefix<folder>/<sequence>.json`.
    fn logs<T: DeserializeOwned>(&mut self, prefix: &str) -> BTreeMap<String, Vec<(T, Timestamp)>> {
        let mut logs: BTreeMap<String, Vec<(T, Timestamp)>> = BTreeMap::new();
        for (path, (bytes, written)) in
            self.objects.range(prefix.to_owned()..).take_while(|(path, _)| path.starts_with(prefix))
        {
            let (folder, name) = path[prefix.len()..].rsplit_once('/').unwrap();
            let log = logs.entry(folder.to_owned()).or_default();
            if name != format!("{:08}.json", log.len()) {
                self.wrong.push(format!("{path} does not follow on what was before"));
            }
            let mut envelope: Value = serde_json::from_slice(bytes).unwrap();
            let body = if prefix.starts_with("_sys/") { envelope["body"].take() } else { envelope };
            log.push((serde_json::from_value(body).unwrap(), *written));
        }
        logs
    }

    /// What was written about schedules and slots, in the order in which it was.
    fn story(&self) -> String {
        let is_shown = |(path, _): &(&String, &(Vec<u8>, Timestamp))| {
            ["_sys/schedules/", "_sys/slots/"].iter().any(|p| path.starts_with(p))
        };
        let mut lines: Vec<_> = self
            .objects
            .iter()
            .filter(is_shown)
            .map(|(path, (bytes, written))| (written, path, bytes))
            .collect();
        lines.sort();
        lines
            .iter()
            .map(|(written, path, bytes)| format!("{written} {path} {}\n", String::from_utf8_lossy(bytes)))
            .collect()
    }

    fn decided(&mut self, pipeline: &str) -> Decided {
        let mut decisions = BTreeMap::new();
        for (slot, mut entries) in self.logs::<SlotEntry>(&format!("_sys/slots/{pipeline}/")) {
            let slot: Timestamp = format!(
                "{}-{}-{}T{}:{}:{}",
                &slot[..4],
                &slot[4..6],
                &slot[6..8],
                &slot[9..11],
                &slot[11..13],
                &slot[13..]
            )
            .parse()
            .unwrap();
            if entries.len() != 1 {
                self.wrong.push(format!("{pipeline} {slot} has {} decisions", entries.len()));
            }
            decisions.insert(slot, entries.remove(0));
        }
        Decided { decisions }
    }

    fn runs(&mut self) -> BTreeMap<String, RunRecord> {
        let mut runs = BTreeMap::new();
        for (run_id, events) in self.logs::<Event>("_sys/runs/") {
            let events: Vec<Event> = events.into_iter().map(|(event, _)| event).collect();
            match events.first() {
                Some(Event::Started(Started { run_id: inside, .. })) if *inside == run_id => {}
                other => self.wrong.push(format!("the log of run {run_id} begins with {other:?}")),
            }
            for step in STEPS {
                let done = events
                    .iter()
                    .filter(|event| matches!(event, Event::StepDone { step: found, .. } if found == step));
                if done.count() > 1 {
                    self.wrong.push(format!("step {step} of run {run_id} was done twice"));
                }
            }
            let mut after_end =
                events.iter().skip_while(|event| !matches!(event, Event::Ended { .. })).skip(1);
            if let Some(event) = after_end.find(|event| !matches!(event, Event::Resumed { .. })) {
                self.wrong.push(format!("run {run_id} continued after its end: {event:?}"));
            }
            runs.insert(run_id, RunRecord::from_events(&events).unwrap());
        }
        runs
    }

    fn schedule_log(&mut self, pipeline: &str) -> Vec<ScheduleEvent> {
        let logs = self.logs::<ScheduleEvent>("_sys/schedules/");
        logs.into_iter()
            .find(|(name, _)| name == pipeline)
            .into_iter()
            .flat_map(|(_, log)| log)
            .map(|(event, _)| event)
            .collect()
    }

    /// The slots that a pipeline should have had, worked out from its history once more, as it was with so
    /// many entries.
    fn slots(&mut self, pipeline: &str, entries: usize, end: Timestamp) -> BTreeSet<Timestamp> {
        let mut history = self.schedule_log(pipeline);
        history.truncate(entries);
        let mut slots = BTreeSet::new();
        let mut schedules: &[Schedule] = &[];
        for (index, event) in history.iter().enumerate() {
            match event {
                ScheduleEvent::Scheduled { schedules: new, .. } => schedules = new,
                ScheduleEvent::Unscheduled { .. } => schedules = &[],
                ScheduleEvent::Paused { .. } | ScheduleEvent::Resumed { .. } => {}
            }
            let (after, until) = (event.at(), history.get(index + 1).map_or(end, ScheduleEvent::at));
            for schedule in schedules {
                let found: BTreeSet<Timestamp> = match &schedule.trigger {
                    Trigger::Calendar(calendar) => calendar
                        .slots(after, until + SignedDuration::from_nanos(1))
                        .filter(|slot| *slot > after)
                        .collect(),
                    Trigger::After(upstream) => {
                        let of = |name: &String| self.slots(name, usize::MAX, end);
                        let all: Vec<BTreeSet<Timestamp>> = upstream.iter().map(of).collect();
                        let common = all.into_iter().reduce(|a, b| &a & &b).unwrap_or_default();
                        common.into_iter().filter(|slot| after < *slot && *slot <= until).collect()
                    }
                    Trigger::NewFiles(_) => BTreeSet::new(),
                };
                slots.extend(found);
            }
        }
        slots
    }

    fn every_slot_is_decided(&mut self, pipeline: &str, decided: &Decided, end: Timestamp) {
        let slots = self.slots(pipeline, usize::MAX, end);
        let found: BTreeSet<Timestamp> = decided.decisions.keys().copied().collect();
        for slot in slots.difference(&found).filter(|slot| **slot < end - UNDECIDED) {
            self.wrong.push(format!("lost: nothing was decided about {pipeline} {slot}"));
        }
        for slot in found.difference(&slots) {
            // The daemon that decided it may not have known of an edit whose write was delayed.
            let known = usize::try_from(decided.decisions[slot].0.schedule).unwrap();
            if pipeline != "mail" && !self.slots(pipeline, known, end).contains(slot) {
                self.wrong.push(format!("{pipeline} {slot} was decided and is no slot"));
            }
        }
    }

    /// In the calm at the end, all that comes is run.
    fn the_next_slot_runs(
        &mut self,
        pipeline: &str,
        decided: &Decided,
        runs: &BTreeMap<String, RunRecord>,
        end: Timestamp,
    ) {
        let calm = decided.decisions.range(end - SignedDuration::from_hours(2)..end - UNDECIDED);
        let history = self.schedule_log(pipeline);
        let paused = history.iter().rev().find_map(|event| match event {
            ScheduleEvent::Paused { .. } => Some(true),
            ScheduleEvent::Resumed { .. } => Some(false),
            _ => None,
        });
        for (slot, (entry, _)) in calm {
            let runs_well = match &entry.decision {
                SlotDecision::Run { run_id, .. } => {
                    runs.get(run_id).is_some_and(|run| run.status == RunStatus::Done)
                }
                SlotDecision::Skipped { reason } => {
                    paused == Some(true) && reason == "paused" || reason.starts_with("after: ")
                }
                SlotDecision::Missed { .. } => false,
            };
            if !runs_well {
                self.wrong.push(format!("{pipeline} {slot} came in the calm and was not done: {entry:?}"));
            }
        }
    }

    fn the_run_has_ended(&mut self, pipeline: &str, slot: Timestamp, run: Option<&RunRecord>) {
        match run {
            None => self.wrong.push(format!("lost: the run of {pipeline} {slot} never began")),
            Some(run) if run.ended_at.is_none() => {
                self.wrong.push(format!("lost: the run of {pipeline} {slot} never ended"))
            }
            Some(_) => {}
        }
    }

    fn every_run_is_of_a_slot(
        &mut self,
        runs: &BTreeMap<String, RunRecord>,
        of_slots: &BTreeMap<String, (&str, Timestamp)>,
    ) {
        for (run_id, run) in runs {
            match of_slots.get(run_id) {
                Some((pipeline, slot))
                    if run.pipeline == *pipeline && run.slot == Some(*slot) && run.as_of == *slot => {}
                Some(slot) => {
                    self.wrong.push(format!("run {run_id} says that it runs {:?}, not {slot:?}", run.slot))
                }
                None => self
                    .wrong
                    .push(format!("doubled: run {run_id} of {} {:?} is in no slot", run.pipeline, run.slot)),
            }
        }
    }

    /// Rows are there exactly once for each step that is done, and for no other but one that was cut short
    /// after its commit.
    fn tables_and_ledger_agree(
        &mut self,
        runs: &BTreeMap<String, RunRecord>,
        of_slots: &BTreeMap<String, (&str, Timestamp)>,
    ) -> usize {
        let tables = self.logs::<Version>("tables/");
        let mut commits = BTreeMap::new();
        for (table, versions) in tables {
            for (version, _) in versions {
                if version.rows != rows_of(&version.transaction, &format!("tables/{table}")) {
                    self.wrong.push(format!("{} has other rows in {table}", version.transaction));
                }
                *commits.entry((format!("tables/{table}"), version.transaction)).or_insert(0) += 1;
            }
        }
        let count = commits.len();
        for ((table, transaction), times) in &commits {
            if *times > 1 {
                self.wrong.push(format!("doubled: the rows of {transaction} are {times} times in {table}"));
            }
        }
        for (run_id, (pipeline, slot)) in of_slots {
            let Some(run) = runs.get(run_id) else { continue };
            for step in &run.steps {
                let is_done = step.status == tranche_pipeline::StepStatus::Done;
                for table in tables_of(pipeline, &step.id) {
                    let found =
                        commits.remove(&(table.clone(), format!("{pipeline}/{}/{slot}", step.id))).is_some();
                    if is_done && !found {
                        self.wrong.push(format!(
                            "lost: step {} of {pipeline} {slot} is done, and its rows are not in {table}",
                            step.id
                        ));
                    }
                    if found && !is_done && run.status == RunStatus::Done {
                        self.wrong
                            .push(format!("step {} of {pipeline} {slot} has rows and is not done", step.id));
                    }
                }
            }
        }
        for ((table, transaction), _) in commits {
            self.wrong.push(format!("doubled: {transaction} is in {table}, and no slot's run made it"));
        }
        count
    }
}
