//! What a trial claims of a share, and whether what was found bears it out.

use std::fmt;

/// A share of draws, and what it should be.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) what: String,
    pub(crate) draws: u32,
    pub(crate) bound: Bound,
    pub(crate) found: f64,
    /// The sum of squares that the standard error comes from; that of a share when every draw counts 0 or 1.
    sum_squares: f64,
}

/// Where a share should lie.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    Near { share: f64, tolerance: f64 },
    AtMost(f64),
    AtLeast(f64),
}

/// The values of one claim, draw by draw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    draws: u32,
    sum: f64,
    sum_squares: f64,
}

impl Tally {
    pub(crate) fn count(&mut self, happened: bool) {
        self.add(f64::from(u8::from(happened)));
    }

    pub(crate) fn add(&mut self, share: f64) {
        self.draws += 1;
        self.sum += share;
        self.sum_squares += share * share;
    }

    pub(crate) fn near(&self, what: impl Into<String>, share: f64, tolerance: f64) -> Claim {
        self.claim(what.into(), Bound::Near { share, tolerance })
    }

    pub(crate) fn at_most(&self, what: impl Into<String>, share: f64) -> Claim {
        self.claim(what.into(), Bound::AtMost(share))
    }

    pub(crate) fn at_least(&self, what: impl Into<String>, share: f64) -> Claim {
        self.claim(what.into(), Bound::AtLeast(share))
    }

    fn claim(&self, what: String, bound: Bound) -> Claim {
        Claim {
            what,
            draws: self.draws,
            bound,
            found: self.sum / f64::from(self.draws),
            sum_squares: self.sum_squares,
        }
    }
}

impl Claim {
    /// The Monte Carlo error of what was found.
    pub(crate) fn se(&self) -> f64 {
        let n = f64::from(self.draws);
        ((self.sum_squares / n - self.found * self.found).max(0.0) / n).sqrt()
    }

    /// Whether what was found keeps to the bound, three Monte Carlo errors aside: its own or, where few draws show none, the bound's.
    pub(crate) fn holds(&self) -> bool {
        let (Bound::Near { share, .. } | Bound::AtMost(share) | Bound::AtLeast(share)) = self.bound;
        let slack = 3.0 * self.se().max((share * (1.0 - share) / f64::from(self.draws)).sqrt());
        match self.bound {
            Bound::Near { share, tolerance } => (self.found - share).abs() <= tolerance + slack,
            Bound::AtMost(share) => self.found <= share + slack,
            Bound::AtLeast(share) => self.found >= share - slack,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near { share, tolerance } => write!(f, "{:.1} ± {:.1} %", 100.0 * share, 100.0 * tolerance),
            Self::AtMost(share) => write!(f, "at most {:.1} %", 100.0 * share),
            Self::AtLeast(share) => write!(f, "at least {:.1} %", 100.0 * share),
        }
    }
}
