//! Durations as definitions write them: `14 days`, `30s`, `20m`, `26h`, `2 weeks`. A day has 24 hours, as in
//! an event window.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Reads a positive duration.
///
/// # Errors
/// A message that says how durations are written.
pub fn parse(text: &str) -> Result<Duration, String> {
    match parse_from_zero(text)? {
        duration if duration.is_zero() => Err(format!("`{text}` is not a positive duration")),
        duration => Ok(duration),
    }
}

/// Reads a duration that may be zero.
///
/// # Errors
/// A message that says how durations are written.
pub fn parse_from_zero(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write one like `14 days`, `26h`, `20m` or `30s`");
    let span: Span = text.trim().parse().map_err(|_| wrong())?;
    if span.get_months() != 0 || span.get_years() != 0 {
        return Err(format!(
            "`{text}` has no fixed length; write it in weeks, days, hours, minutes or seconds"
        ));
    }
    let signed: SignedDuration =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| format!("`{text}` is not a positive duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        const DAY: u64 = 86_400;
        for (text, seconds) in [
            ("14 days", Some(14 * DAY)),
            ("1 day", Some(DAY)),
            ("2 weeks", Some(14 * DAY)),
            ("30s", Some(30)),
            ("20m", Some(1_200)),
            ("26h", Some(93_600)),
            ("1h 30m", Some(5_400)),
            ("0s", None),
            ("-3 days", None),
            ("1 month", None),
            ("soon", None),
            ("14", None),
        ] {
            assert_eq!(parse(text).ok().map(|d| d.as_secs()), seconds, "{text}");
        }
    }
}
