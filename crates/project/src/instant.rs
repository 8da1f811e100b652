//! Instants as people write them: `2024-03-01`, `2024-03-01T06:00`, `2024-03-01T06:00:00Z`.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Reads an instant. A date is its first moment in `zone`, a local time is taken in `zone`, and an offset or
/// zone in the text wins.
///
/// # Errors
/// A message that says how instants are written.
pub fn parse(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    let wrong =
        || format!("`{text}` is not an instant; write one like `2024-03-01` or `2024-03-01T06:00:00Z`");
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Ok(zoned.timestamp());
    }
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    local.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_first_moment_in_the_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2024-03-01", Some("2024-02-29T23:00:00Z")),
            ("2024-03-01T06:00", Some("2024-03-01T05:00:00Z")),
            ("2024-03-01 06:00:00", Some("2024-03-01T05:00:00Z")),
            ("2024-03-01T06:00:00Z", Some("2024-03-01T06:00:00Z")),
            ("2024-03-01T06:00:00+02:00", Some("2024-03-01T04:00:00Z")),
            ("yesterday", None),
        ] {
            assert_eq!(parse(text, &berlin).ok().map(|t| t.to_string()).as_deref(), expected, "{text}");
        }
    }
}
