//! Slots around changes of the clock, against a table that Python's zoneinfo made (`table.py`).

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tranche_pipeline::schedule::{Calendar, DstClass};

/// One line of the table.
struct Line {
    slot: Timestamp,
    local: String,
    dst: DstClass,
}

/// The table, in stretches without a hole that are one zone's and one expression's.
fn stretches() -> Vec<(String, String, Vec<Line>)> {
    let mut lines: BTreeMap<(String, String), Vec<Line>> = BTreeMap::new();
    for line in include_str!("table.csv").lines().skip(1) {
        let [zone, cron, slot, local, dst] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let dst = match dst {
            "normal" => DstClass::Normal,
            "gap" => DstClass::Gap,
            "overlap" => DstClass::Overlap,
            other => panic!("{other}"),
        };
        let slot = slot.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        let line = Line { slot, local: local.to_owned(), dst };
        lines.entry((zone.to_owned(), cron.to_owned())).or_default().push(line);
    }
    let mut stretches = Vec::new();
    for ((zone, cron), lines) in lines {
        let whole = cron.ends_with("1 * *") || cron.contains('L');
        for line in lines {
            let follows = |(z, c, last): &&mut (String, String, Vec<Line>)| {
                let near = last.last().is_some_and(|last: &Line| {
                    line.slot.duration_since(last.slot) < SignedDuration::from_hours(24 * 20)
                });
                *z == zone && *c == cron && (whole || near)
            };
            match stretches.last_mut().filter(follows) {
                Some((_, _, stretch)) => stretch.push(line),
                None => stretches.push((zone.clone(), cron.clone(), vec![line])),
            }
        }
    }
    stretches
}

#[test]
fn slots_are_those_of_the_table() {
    let stretches = stretches();
    assert_eq!(stretches.len(), 3 * (4 * 6 + 2), "six changes in three years");
    for (zone, cron, lines) in stretches {
        let calendar = Calendar::new(&cron, TimeZone::get(&zone).unwrap()).unwrap();
        let (first, last) = (lines.first().unwrap().slot, lines.last().unwrap().slot);
        let found: Vec<Timestamp> = calendar.slots(first, last + SignedDuration::from_secs(1)).collect();
        let expected: Vec<Timestamp> = lines.iter().map(|line| line.slot).collect();
        assert_eq!(found, expected, "{cron} in {zone}");
        for line in lines {
            assert_eq!(
                calendar.zone().to_datetime(line.slot).to_string(),
                line.local,
                "{cron} in {zone} at {}",
                line.slot
            );
            assert_eq!(calendar.dst_class(line.slot), line.dst, "{cron} in {zone} at {}", line.slot);
        }
    }
}
