//! An amount of memory, as `4 GiB` or as a share of the machine's.

/// Memory for queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MemoryLimit {
    /// That many bytes.
    Bytes(u64),
    /// That share of the machine's memory, in (0, 1].
    Share(f64),
}

impl MemoryLimit {
    /// The limit on a machine with that much memory, in bytes.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of memory"
    )]
    pub fn bytes(self, machine_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Share(share) => (machine_bytes as f64 * share) as u64,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(percent) = text.strip_suffix('%') {
            let share: f64 = percent.trim().parse::<f64>().ok()? / 100.0;
            return (share > 0.0 && share <= 1.0).then_some(Self::Share(share));
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale: u64 = match unit.trim() {
            "" | "B" => 1,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(scale).filter(|bytes| *bytes > 0).map(Self::Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_an_amount_or_a_share() {
        for (text, expected) in [
            ("4 GiB", Some(MemoryLimit::Bytes(4 << 30))),
            ("512MB", Some(MemoryLimit::Bytes(512_000_000))),
            ("50%", Some(MemoryLimit::Share(0.5))),
            ("0%", None),
            ("lots", None),
            ("4 parsecs", None),
        ] {
            assert_eq!(MemoryLimit::parse(text), expected, "{text}");
        }
        assert_eq!(MemoryLimit::Share(0.5).bytes(100), 50);
    }
}
