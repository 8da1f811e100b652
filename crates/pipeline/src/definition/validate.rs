//! From a pipeline as written to the pipeline that its author means, with every problem on the way reported
//! where it is.

use std::collections::HashMap;
use std::time::Duration;

use tranche_project::{Problems, Settings, SourceFile, Spanned, check_name, check_version, duration, yaml};

use super::graph;
use super::pipeline::{Pipeline, Retries, Step, Targets};
use super::spec::{PipelineSpec, StepSpec, TargetsSpec};

impl Pipeline {
    /// Reads a `pipeline.yaml`. Problems are reported, each where it is; `None` when there was one.
    ///
    /// `actions` are the names of what a step can do; `settings` say what a step does that says nothing.
    pub fn read(
        file: &SourceFile,
        actions: &[&str],
        settings: &Settings,
        problems: &mut Problems,
    ) -> Option<Self> {
        yaml::read::<PipelineSpec>(file, problems)?.validate(file, actions, settings, problems)
    }
}

impl PipelineSpec {
    /// The pipeline that the author means, or `None` when a problem was reported.
    ///
    /// `actions` are the names of what a step can do; `settings` say what a step does that says nothing.
    pub fn validate(
        self,
        file: &SourceFile,
        actions: &[&str],
        settings: &Settings,
        problems: &mut Problems,
    ) -> Option<Pipeline> {
        let problems_before = problems.len();
        let mut check = Check { file, actions, settings, problems };
        check_version(&self.version, file, check.problems);
        check.name("pipeline", &self.pipeline);
        check.folder(&self.pipeline);
        if self.steps.value.is_empty() {
            check.report(&self.steps, "a pipeline needs at least one step");
        }
        check.needs(&self.steps.value);
        let schedules =
            self.schedule.map(|spec| check.schedules(&self.pipeline.value, &spec)).unwrap_or_default();
        let concurrency = self.concurrency.map_or(1, |limit| check.concurrency(&limit));
        let steps = self.steps.value.into_iter().filter_map(|step| check.step(step)).collect();
        let (name, description) = (self.pipeline.value, self.description);
        let pipeline = Pipeline { name, description, schedules, concurrency, steps };
        (problems.len() == problems_before).then_some(pipeline)
    }
}

mod condition;
mod schedule;

struct Check<'a> {
    file: &'a SourceFile,
    actions: &'a [&'a str],
    settings: &'a Settings,
    problems: &'a mut Problems,
}

impl Check<'_> {
    fn report<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        self.problems.report(self.file, at.referenced, message);
    }

    fn name(&mut self, what: &str, name: &Spanned<String>) {
        check_name(what, &name.value, self.file, name.referenced, self.problems);
    }

    fn folder(&mut self, name: &Spanned<String>) {
        if let Some(folder) = self.file.path().rsplit('/').nth(1)
            && folder != name.value
        {
            self.report(
                name,
                format!("pipeline `{}` lies in folder `{folder}`; make them the same", name.value),
            );
        }
    }

    /// Checks ids and needs, and that no step needs itself in the end.
    fn needs(&mut self, steps: &[Spanned<StepSpec>]) {
        let mut index = HashMap::new();
        for (position, step) in steps.iter().enumerate() {
            let Some(id) = &step.value.id else {
                self.report(step, "a step needs an id: `id: load`");
                continue;
            };
            self.name("step", id);
            if index.contains_key(id.value.as_str()) {
                self.report(id, format!("step `{}` is defined twice", id.value));
            } else {
                index.insert(id.value.as_str(), position);
            }
        }
        let is_first = |(position, id): &(usize, &str)| index.get(id) == Some(position);
        let ids = steps
            .iter()
            .enumerate()
            .filter_map(|(i, step)| Some((i, step.value.id.as_ref()?.value.as_str())));
        let known: Vec<&str> = ids.filter(is_first).map(|(_, id)| id).collect();
        let mut edges: Vec<Vec<usize>> = Vec::with_capacity(steps.len());
        for step in steps {
            let found = step.value.needs.iter().map(|need| index.get(need.value.as_str()).copied());
            edges.push(found.flatten().collect());
            for need in step.value.needs.iter().filter(|need| !index.contains_key(need.value.as_str())) {
                self.report(need, format!("no step `{}`; the steps are {}", need.value, known.join(", ")));
            }
        }
        self.cycles(steps, &edges);
    }

    fn cycles(&mut self, steps: &[Spanned<StepSpec>], edges: &[Vec<usize>]) {
        let id = |position: usize| steps[position].value.id.as_ref().map_or("?", |id| id.value.as_str());
        for cycle in graph::cycles(edges) {
            let names: Vec<&str> = cycle.iter().map(|position| id(*position)).collect();
            let closing = cycle.iter().rev().nth(1).and_then(|last| {
                let first = names.first()?;
                steps[*last].value.needs.iter().find(|need| need.value == *first)
            });
            if let Some(need) = closing {
                self.report(need, format!("steps need each other in a circle: {}", names.join(" -> ")));
            }
        }
    }

    fn step(&mut self, step: Spanned<StepSpec>) -> Option<Step> {
        let action = self.action(&step);
        let spec = step.value;
        let mut retries = Retries {
            max: self.settings.defaults.retries,
            backoff: Retries::DEFAULT_BACKOFF,
            jitter_percent: Retries::DEFAULT_JITTER_PERCENT,
        };
        if let Some(written) = spec.retries {
            retries.max = written.max;
            if let Some(backoff) = written.backoff.and_then(|text| self.duration(&text)) {
                retries.backoff = backoff;
            }
            if let Some(jitter) = written.jitter {
                retries.jitter_percent = self.percent(&jitter);
            }
        }
        let timeout = spec.timeout.map_or(self.settings.defaults.timeout, |text| self.duration(&text));
        let (action, targets) = action?;
        let when = spec.when.map(|when| self.condition(&when, &spec.needs));
        let needs = spec.needs.into_iter().map(|need| need.value).collect();
        Some(Step {
            id: spec.id?.value,
            action,
            targets,
            needs,
            retries,
            timeout,
            on_failure: spec.on_failure,
            when,
        })
    }

    fn concurrency(&mut self, limit: &Spanned<u32>) -> usize {
        if limit.value == 0 {
            self.report(limit, "concurrency must be at least 1");
        }
        usize::try_from(limit.value).unwrap_or(usize::MAX)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of at most one")]
    fn percent(&mut self, share: &Spanned<f64>) -> u32 {
        if !(0.0..=1.0).contains(&share.value) {
            self.report(share, "jitter is a share from 0 to 1");
            return 0;
        }
        (share.value * 100.0).round() as u32
    }

    fn duration(&mut self, text: &Spanned<String>) -> Option<Duration> {
        duration::parse(&text.value).map_err(|message| self.report(text, message)).ok()
    }

    /// The one key of a step that names its action.
    fn action(&mut self, step: &Spanned<StepSpec>) -> Option<(String, Targets)> {
        let known = self.actions.join(", ");
        let (actions, others): (Vec<_>, Vec<_>) =
            step.value.actions.iter().partition(|(key, _)| self.actions.contains(&key.value.as_str()));
        let name =
            step.value.id.as_ref().map_or_else(|| "the step".to_owned(), |id| format!("step `{}`", id.value));
        for (key, _) in &others {
            let message = if actions.is_empty() && others.len() == 1 {
                format!("unknown action `{}`; a step does one of {known}", key.value)
            } else {
                format!(
                    "unknown key `{}`; a step has id, needs, retries, timeout, on_failure, when and one of {known}",
                    key.value
                )
            };
            self.report(key, message);
        }
        if let [(first, _), rest @ ..] = actions.as_slice() {
            for (key, _) in rest {
                let message = format!(
                    "{name} has two actions, `{}` and `{}`; give each its own step",
                    first.value, key.value
                );
                self.report(key, message);
            }
        } else if others.is_empty() {
            self.report(step, format!("{name} does nothing; give it one of {known}"));
        }
        // Each action's targets are looked at, also those of one too many.
        let mut found = actions
            .into_iter()
            .map(|(key, targets)| Some((key.value.clone(), self.targets(&key.value, targets)?)));
        let first = found.next().flatten();
        found.for_each(drop);
        first
    }

    fn targets(&mut self, action: &str, targets: &Spanned<TargetsSpec>) -> Option<Targets> {
        let message = match &targets.value {
            TargetsSpec::Word(word) if word == "all" => return Some(Targets::All),
            TargetsSpec::Names(names) if !names.is_empty() => return Some(Targets::Named(names.clone())),
            TargetsSpec::Word(word) if !word.is_empty() => {
                format!("write `{action}: all`, or a list: `{action}: [{word}]`")
            }
            _ => format!("write `{action}: all`, or a list of names: `{action}: [...]`"),
        };
        self.report(targets, message);
        None
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::definition::condition::MonthDay;
    use crate::definition::pipeline::OnFailure;
    use crate::schedule::{Catchup, Overlap, Trigger};

    const ACTIONS: [&str; 4] = ["ingest", "refresh", "measure", "report"];

    fn check(text: &str, expected: &[(u64, u64, &str)]) -> Option<Pipeline> {
        let mut problems = Problems::default();
        let file = SourceFile::new("pipelines/shop/pipeline.yaml", text);
        let pipeline = Pipeline::read(&file, &ACTIONS, &Settings::default(), &mut problems);
        let found = problems.into_sorted();
        assert!(pipeline.is_some() || !expected.is_empty(), "{found:#?}");
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (problem, (line, column, part)) in found.iter().zip(expected) {
            assert_eq!((problem.line, problem.column), (*line, *column), "{problem}");
            assert!(problem.message.contains(part), "{problem}");
        }
        pipeline
    }

    #[test]
    fn the_pipeline_of_the_design_is_sound() {
        let pipeline = check(
            "version: 1
pipeline: shop
schedule: {cron: '0 2 * * *', timezone: Europe/Berlin, catchup: all, overlap: queue}
steps:
  - {id: load, ingest: [customers, orders]}
  - {id: segments, refresh: all, needs: [load]}
  - {id: tests, measure: all, needs: [segments]}
  - {id: weekly, report: [weekly], needs: [segments, tests], retries: {max: 3, backoff: 10s}, timeout: 20m}
",
            &[],
        )
        .unwrap();
        let schedule = &pipeline.schedules[0];
        assert_eq!((schedule.catchup, schedule.overlap), (Catchup::ALL, Overlap::Queue));
        let weekly = pipeline.step("weekly").unwrap();
        assert_eq!(weekly.action, "report");
        assert_eq!(weekly.needs, ["segments", "tests"]);
        assert_eq!(weekly.retries, Retries { max: 3, backoff: Duration::from_secs(10), jitter_percent: 10 });
        assert_eq!(weekly.timeout, Some(Duration::from_secs(1_200)));
        let Targets::Named(names) = &weekly.targets else { panic!("{weekly:?}") };
        assert_eq!(
            (names[0].value.as_str(), names[0].referenced.line(), names[0].referenced.column()),
            ("weekly", 8, 27)
        );
        assert_eq!(pipeline.steps[1].targets, Targets::All);
    }

    #[test]
    fn a_step_that_says_nothing_does_what_the_project_says() {
        let mut settings = Settings::default();
        settings.defaults.retries = 2;
        settings.defaults.timeout = Some(Duration::from_secs(60));
        settings.timezone = TimeZone::get("Europe/Berlin").unwrap();
        let text = "version: 1\npipeline: shop\nschedule: {cron: '0 2 * * *'}\nsteps:\n  - id: load\n    ingest: all\n";
        let file = SourceFile::new("pipelines/shop/pipeline.yaml", text);
        let pipeline = Pipeline::read(&file, &ACTIONS, &settings, &mut Problems::default()).unwrap();
        assert_eq!(
            pipeline.steps[0].retries,
            Retries { max: 2, backoff: Retries::DEFAULT_BACKOFF, jitter_percent: 10 }
        );
        assert_eq!(pipeline.steps[0].timeout, Some(Duration::from_secs(60)));
        let schedule = &pipeline.schedules[0];
        assert_eq!((schedule.catchup, schedule.overlap), (Catchup::Last, Overlap::Skip));
        assert_eq!(schedule.calendar().unwrap().zone().iana_name(), Some("Europe/Berlin"));
    }

    #[test]
    fn a_pipeline_may_have_several_schedules() {
        let text = |schedules: &str| {
            format!(
                "version: 1\npipeline: shop\nconcurrency: 2\nschedule:\n{schedules}steps:\n  - {{id: a, ingest: all}}\n"
            )
        };
        let pipeline = check(
            &text(
                "  - {cron: '0 2 * * *', catchup: {all: {max: 3, window: 7d}}, jitter: 10m, start: 2026-11-01}
  - {after: [crm], overlap: cancel}
  - {on_new_files: orders, catchup: none}
",
            ),
            &[],
        )
        .unwrap();
        assert_eq!(pipeline.concurrency, 2);
        let [clock, after, files] = pipeline.schedules.as_slice() else { panic!("{pipeline:?}") };
        assert_eq!(clock.catchup, Catchup::All { max: Some(3), window_seconds: Some(604_800) });
        assert_eq!(
            (clock.jitter, clock.start),
            (Duration::from_secs(600), "2026-11-01T00:00:00Z".parse().ok())
        );
        assert!(matches!(&after.trigger, Trigger::After(pipelines) if pipelines == &["crm"]));
        assert!(matches!(&files.trigger, Trigger::NewFiles(source) if source == "orders"));
        assert_eq!((after.overlap, files.catchup), (Overlap::Cancel, Catchup::None));

        check(
            &text(
                "  - {cron: '0 2 * * *', after: [crm]}
  - {catchup: sometimes}
",
            ),
            &[
                (5, 5, "one of `cron`, `after` and `on_new_files`"),
                (6, 5, "one of `cron`, `after` and `on_new_files`"),
                (6, 15, "`sometimes` is not known here"),
            ],
        );
        check(
            &text(
                "  - {cron: '0 2 * * *', after: [crm]}
  - {overlap: skip}
  - {after: [shop]}
  - {cron: '0 2 * * *', start: 2026-11-02, end: 2026-11-01}
",
            ),
            &[
                (5, 5, "one of `cron`, `after` and `on_new_files`"),
                (6, 5, "one of `cron`, `after` and `on_new_files`"),
                (7, 14, "cannot come after itself"),
                (8, 49, "ends before it starts"),
            ],
        );
    }

    #[test]
    fn every_problem_is_reported_where_it_is() {
        check(
            "version: 2
pipeline: shopp
schedule: {cron: '61 2 * * *', timezone: Europe/Berln}
steps:
  - {id: load, ingest: customers}
  - {id: load, refresh: all, needs: [nothing]}
  - {id: tests, measure: [], retries: {max: 1, backoff: soon}, timeout: 1 month}
  - {ingest: all}
  - {id: 'a/b', ingest: 3}
",
            &[
                (1, 10, "version 2"),
                (2, 11, "pipeline `shopp` lies in folder `shop`; make them the same"),
                (3, 18, "`61 2 * * *` is not a cron expression"),
                (3, 42, "unknown time zone `Europe/Berln`; use an IANA name"),
                (5, 24, "`ingest: [customers]`"),
                (6, 10, "step `load` is defined twice"),
                (6, 38, "no step `nothing`; the steps are load, tests, a/b"),
                (7, 26, "write `measure: all`, or a list"),
                (7, 57, "`soon` is not a duration"),
                (7, 73, "no fixed length"),
                (8, 5, "a step needs an id"),
                (9, 10, "step name `a/b`"),
                (9, 25, "write `ingest: all`"),
            ],
        );
    }

    #[test]
    fn a_step_says_when_it_is_run_and_what_its_failure_means() {
        let pipeline = check(
            "version: 1
pipeline: shop
steps:
  - {id: load, ingest: all, on_failure: continue, retries: {max: 1, jitter: 0.25}}
  - {id: weekly, report: [weekly], needs: [load], when: {weekday: [mon], day: [1, last], rows_of: [load]}}
",
            &[],
        )
        .unwrap();
        assert_eq!(
            (pipeline.steps[0].on_failure, pipeline.steps[0].retries.jitter_percent),
            (OnFailure::Continue, 25)
        );
        let when = pipeline.steps[1].when.as_ref().unwrap();
        assert_eq!(
            (when.weekdays.as_slice(), when.rows_of.as_slice()),
            (&[jiff::civil::Weekday::Monday][..], &["load".to_owned()][..])
        );
        assert_eq!(when.days, [MonthDay::Number(1), MonthDay::Last]);
        check(
            "version: 1
pipeline: shop
steps:
  - {id: load, ingest: all, retries: {max: 1, jitter: 2}}
  - {id: weekly, report: [weekly], when: {weekday: [monday], day: [32], rows_of: [load]}}
",
            &[
                (4, 55, "from 0 to 1"),
                (5, 53, "`monday` is no day of the week"),
                (5, 68, "`32` is no day of a month"),
                (5, 83, "`load` is not among the step's `needs`"),
            ],
        );
    }

    #[test]
    fn a_step_has_exactly_one_action_that_is_known() {
        check(
            "version: 1
pipeline: shop
steps:
  - {id: a, ingets: all}
  - {id: b}
  - {id: c, ingest: all, refresh: all}
  - id: d
    ingest: all
    need: [a]
    retry: {max: 3}
  - {id: e, ingest: all, measure: nothing}
",
            &[
                (4, 13, "unknown action `ingets`; a step does one of ingest, refresh, measure, report"),
                (5, 5, "step `b` does nothing; give it one of ingest, refresh, measure, report"),
                (6, 26, "step `c` has two actions, `ingest` and `refresh`"),
                (9, 5, "unknown key `need`"),
                (10, 5, "unknown key `retry`"),
                (11, 26, "step `e` has two actions"),
                (11, 35, "`measure: [nothing]`"),
            ],
        );
    }

    #[test]
    fn cycles_are_shown() {
        let steps = |needs: [&str; 3]| {
            let step = |(id, needs)| format!("  - {{id: {id}, ingest: all, needs: [{needs}]}}\n");
            let steps: String = ["a", "b", "c"].into_iter().zip(needs).map(step).collect();
            format!("version: 1\npipeline: shop\nsteps:\n{steps}")
        };
        check(&steps(["b", "a", "a"]), &[(5, 34, "in a circle: a -> b -> a")]);
        check(&steps(["", "c", "b"]), &[(6, 34, "in a circle: b -> c -> b")]);
        check(&steps(["a", "", ""]), &[(4, 34, "in a circle: a -> a")]);
        check(&steps(["b", "c", "a"]), &[(6, 34, "in a circle: a -> b -> c -> a")]);
        check(&steps(["", "a", "a, b"]), &[]);
    }

    #[test]
    fn unknown_keys_outside_of_steps_are_denied_too() {
        check(
            "version: 1\npipeline: shop\nowner: me\nsteps:\n  - {id: a, ingest: all}\nmore: 1\n",
            &[(3, 1, "unknown key `owner`"), (6, 1, "unknown key `more`")],
        );
        check("version: 1\npipeline: shop\nsteps: []\n", &[(3, 8, "at least one step")]);
    }
}
