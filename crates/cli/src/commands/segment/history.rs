//! `segment history`: a segment, refresh by refresh.

use tranche_workspace::queries::segments::{HistoryRow, refreshes};

use crate::app::App;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{print_json, print_text, rows_of};

/// As many refreshes as a sparkline shows: the latest ones.
const POINTS: usize = 60;

pub(super) async fn run(name: &str, app: &App) -> Result<(), Failure> {
    let own = refreshes(&app.tranche, name).await?;
    let format = app.global.format;
    if format == Format::Json {
        return print_json(&own, format);
    }
    if format == Format::Table {
        print_text(&lines(&own).join("\n"))?;
    }
    rows_of(&["as_of", "segment", "size", "entered", "exited", "unmatched"], &own)?.print(format)
}

/// A line for each segment: how its size went.
fn lines(rows: &[HistoryRow]) -> Vec<String> {
    let mut segments: Vec<&str> = rows.iter().map(|row| row.segment.as_str()).collect();
    segments.sort_unstable();
    segments.dedup();
    let width = segments.iter().map(|segment| segment.chars().count()).max().unwrap_or_default();
    let line = |segment: &&str| {
        let sizes: Vec<u64> = rows.iter().filter(|row| row.segment == *segment).map(|row| row.size).collect();
        let (first, last) =
            (sizes.first().copied().unwrap_or_default(), sizes.last().copied().unwrap_or_default());
        format!("{segment:width$}  {}  {first} -> {last}", sparkline(&sizes))
    };
    segments.iter().map(line).collect()
}

/// A bar for each of the latest sizes, from the least to the greatest of them.
fn sparkline(sizes: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let sizes = &sizes[sizes.len().saturating_sub(POINTS)..];
    let (least, most) =
        (sizes.iter().min().copied().unwrap_or_default(), sizes.iter().max().copied().unwrap_or_default());
    let bar = |size: &u64| match most - least {
        0 => BARS[3],
        range => BARS[usize::try_from(u128::from(size - least) * 7 / u128::from(range)).unwrap_or_default()],
    };
    sizes.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_goes_from_the_least_to_the_greatest() {
        for (sizes, expected) in [
            (vec![], ""),
            (vec![5], "▄"),
            (vec![3, 3, 3], "▄▄▄"),
            (vec![10, 11, 17], "▁▂█"),
            (vec![0, u64::MAX, u64::MAX / 2], "▁█▄"),
        ] {
            assert_eq!(sparkline(&sizes), expected, "{sizes:?}");
        }
        assert_eq!(sparkline(&(0..100).collect::<Vec<_>>()).chars().count(), POINTS);
    }
}
