//! When people come to the shop: weekdays, seasons, sales and the hours of a day.

use crate::calendar::{self, DAY};
use crate::random::Random;

/// No season is stronger than this.
const PEAK: f64 = 3.2;

/// Monday to Sunday.
const WEEK: [f64; 7] = [1.02, 0.96, 0.95, 0.98, 0.94, 0.97, 1.18];

/// January to December.
const YEAR: [f64; 12] = [0.88, 0.84, 0.95, 0.98, 1.0, 0.97, 1.0, 0.88, 0.98, 1.04, 1.15, 1.2];

/// How likely each hour (UTC) is.
const HOURS: [(i64, u32); 24] = [
    (0, 4),
    (1, 2),
    (2, 1),
    (3, 1),
    (4, 2),
    (5, 6),
    (6, 14),
    (7, 22),
    (8, 28),
    (9, 34),
    (10, 38),
    (11, 40),
    (12, 36),
    (13, 34),
    (14, 34),
    (15, 38),
    (16, 44),
    (17, 52),
    (18, 62),
    (19, 70),
    (20, 60),
    (21, 38),
    (22, 20),
    (23, 9),
];

/// How much busier than usual the day of an instant is.
pub(crate) fn season(at: i64) -> f64 {
    let (_, month, day) = calendar::date(at);
    let event = match (month, day) {
        (11, 24..=30) => 2.3,
        (12, 1..=19) => 1.35,
        (12, 24..=26) => 0.45,
        (7, 1..=14) => 1.5,
        (1, 2..=10) => 1.2,
        _ => 1.0,
    };
    (WEEK[calendar::weekday(at)] * YEAR[month as usize - 1] * event).min(PEAK)
}

/// Instants in `from..to` of a customer who comes `per_day` times a day in an ordinary season, in order.
pub(crate) fn arrivals(random: &mut Random, per_day: f64, from: i64, to: i64) -> Vec<i64> {
    let mut found = Vec::new();
    if per_day <= 0.0 || from >= to {
        return found;
    }
    let (mut at, gap) = (from as f64, DAY as f64 / (per_day * PEAK));
    loop {
        at += random.exponential(gap);
        if at >= to as f64 {
            found.sort_unstable();
            return found;
        }
        if random.chance(season(at as i64) / PEAK) {
            let moment = at_some_hour(random, at as i64);
            found.extend((from..to).contains(&moment).then_some(moment));
        }
    }
}

/// Another moment of the same day, when people are likely to be awake.
pub(crate) fn at_some_hour(random: &mut Random, at: i64) -> i64 {
    at.div_euclid(DAY) * DAY + random.pick(&HOURS) * 3_600 + random.between(0, 3_600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Topic;

    #[test]
    fn black_friday_is_the_peak_and_christmas_is_quiet() {
        let ordinary = season(calendar::midnight(2025, 5, 6));
        assert!(season(calendar::midnight(2025, 11, 28)) > 2.0 * ordinary);
        assert!(season(calendar::midnight(2025, 12, 25)) < 0.7 * ordinary);
    }

    #[test]
    fn arrivals_come_at_their_rate() {
        let mut random = Random::stream(1, Topic::Orders, 0, 0);
        let (from, to) = (calendar::midnight(2025, 5, 1), calendar::midnight(2025, 6, 1));
        let count: usize = (0..500).map(|_| arrivals(&mut random, 1.0, from, to).len()).sum();
        assert!((14_500..16_500).contains(&count), "{count}");
        assert!(arrivals(&mut random, 0.0, from, to).is_empty());
    }
}
