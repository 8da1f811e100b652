//! Validation of `schedule:` of a pipeline.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tranche_project::{Location, Spanned, instant, unknown_zone};

use super::Check;
use crate::definition::spec::{CatchupSpec, ScheduleSpec, SchedulesSpec};
use crate::schedule::calendar::Calendar;
use crate::schedule::{Catchup, Schedule, Trigger};

impl Check<'_> {
    pub(super) fn schedules(&mut self, pipeline: &str, spec: &Spanned<SchedulesSpec>) -> Vec<Schedule> {
        let schedule = |(place, item): &(Option<Location>, ScheduleSpec)| {
            self.schedule(pipeline, item, place.unwrap_or(spec.referenced))
        };
        spec.value.0.iter().filter_map(schedule).collect()
    }

    fn schedule(&mut self, pipeline: &str, spec: &ScheduleSpec, place: Location) -> Option<Schedule> {
        let zone = match &spec.timezone {
            None => Some(self.settings.timezone.clone()),
            Some(name) => {
                let zone = TimeZone::get(&name.value).ok();
                if zone.is_none() {
                    self.report(name, unknown_zone(&name.value));
                }
                zone
            }
        };
        let trigger = self.trigger(pipeline, spec, place, zone.clone().unwrap_or(TimeZone::UTC));
        let catchup = self.catchup(spec);
        let jitter = spec.jitter.as_ref().map_or(Some(std::time::Duration::ZERO), |text| self.duration(text));
        let zone = zone?;
        let start = self.instant(spec.start.as_ref(), &zone);
        let end = self.instant(spec.end.as_ref(), &zone);
        if let (Some(start), Some(end), Some(written)) = (start, end, &spec.end)
            && end <= start
        {
            self.report(written, "this schedule ends before it starts");
        }
        Some(Schedule {
            trigger: trigger?,
            catchup: catchup?,
            overlap: spec.overlap,
            jitter: jitter?,
            start,
            end,
        })
    }

    /// A bad cron expression is reported whether or not the zone is good.
    fn trigger(
        &mut self,
        pipeline: &str,
        spec: &ScheduleSpec,
        place: Location,
        zone: TimeZone,
    ) -> Option<Trigger> {
        match (&spec.cron, &spec.after, &spec.on_new_files) {
            (Some(cron), None, None) => match Calendar::new(&cron.value, zone) {
                Ok(calendar) => Some(Trigger::Calendar(Box::new(calendar))),
                Err(message) => {
                    self.report(cron, message);
                    None
                }
            },
            (None, Some(after), None) => {
                if after.value.is_empty() {
                    self.report(after, "name at least one pipeline: `after: [shop]`");
                }
                for name in after.value.iter().filter(|name| name.value == pipeline) {
                    self.report(name, "a pipeline cannot come after itself");
                }
                Some(Trigger::After(after.value.iter().map(|name| name.value.clone()).collect()))
            }
            (None, None, Some(source)) => Some(Trigger::NewFiles(source.value.clone())),
            _ => {
                let message =
                    "a schedule has one of `cron`, `after` and `on_new_files`, such as `cron: '0 2 * * *'`";
                self.problems.report(self.file, place, message);
                None
            }
        }
    }

    fn catchup(&mut self, spec: &ScheduleSpec) -> Option<Catchup> {
        let Some(written) = &spec.catchup else { return Some(Catchup::default()) };
        match &written.value {
            CatchupSpec::Word(word) => match word.as_str() {
                "none" => Some(Catchup::None),
                "last" => Some(Catchup::Last),
                "all" => Some(Catchup::ALL),
                _ => {
                    self.report(
                        written,
                        format!("`{word}` is not known here; write one of none, last, all, {{all: {{max: 10, window: 7d}}}}"),
                    );
                    None
                }
            },
            CatchupSpec::All(limits) => {
                let window = limits.window.as_ref().and_then(|text| self.duration(text));
                Some(Catchup::All { max: limits.max, window_seconds: window.map(|window| window.as_secs()) })
            }
        }
    }

    fn instant(&mut self, text: Option<&Spanned<String>>, zone: &TimeZone) -> Option<Timestamp> {
        let text = text?;
        instant::parse(&text.value, zone).map_err(|message| self.report(text, message)).ok()
    }
}
