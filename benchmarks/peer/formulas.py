"""A case, what a tool says of it, and every formula that makes the same from the data, each once."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

TUNING = 5000
LOOKS = 5
PRIORS = {"flat": None, "N(0, 0.3²) on the lift": 0.3}
Z = stats.norm.ppf(0.975)
# How near a tool comes, in widths of the interval, that draws half a million times from a posterior; and one that integrates on a grid.
MONTE_CARLO = 0.01
COARSE = 2e-5


@dataclass
class Arm:
    """What was measured of each unit: the value, that of a denominator, and that before exposure."""
    y: np.ndarray
    below: np.ndarray | None = None
    before: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)


@dataclass
class Case:
    """A metric of a treatment against control, and where Tranche's project has it."""
    title: str
    scenario: str
    experiment: str
    metric: str
    variant: str
    kind: str
    control: Arm
    treatment: Arm

    @property
    def arms(self) -> tuple[Arm, Arm]:
        return self.control, self.treatment

    @property
    def cuped(self) -> bool:
        return self.kind == "mean_cuped"


@dataclass
class Answer:
    """An effect with its 95 % interval, and a p-value or a chance to win."""
    effect: float
    low: float
    high: float
    chance: float | None

    def same(self, other: Answer, tolerance: float = 1e-9) -> bool:
        width = other.high - other.low
        pairs = ((self.effect, other.effect), (self.low, other.low), (self.high, other.high))
        near = all(abs(one - two) <= tolerance * width for one, two in pairs)
        if self.chance is None or other.chance is None:
            return near
        # The least is for gbstats, which takes 1 - cdf and has no more digits.
        return near and abs(self.chance - other.chance) <= max(tolerance * other.chance, 1e-12 if tolerance < MONTE_CARLO else tolerance)


@dataclass
class Row:
    """What a tool says to a question, why that is not what Tranche says, and the same made from the data by that reason."""
    question: str
    tool: str
    answer: Answer
    reason: str = ""
    explained: Answer | None = None
    tolerance: float = 1e-9


# The formulas, each once.

def test(effect: float, se: float, degrees: float | None = None) -> Answer:
    """Effect ± quantile · se and its two-sided p, by Student's distribution or the normal one."""
    law = stats.norm() if degrees is None else stats.t(degrees)
    return Answer(effect, effect - law.ppf(0.975) * se, effect + law.ppf(0.975) * se, 2 * law.sf(abs(effect) / se))


@dataclass
class Moments:
    """What both arms come to; with `ddof` 0 the variance of a share is p(1 - p)."""
    # Means of the control and the treatment, adjusted where there is a covariate, the variances of these means, and units.
    a: float
    b: float
    va: float
    vb: float
    na: int
    nb: int
    # The means that lifts are relative to: as observed. Of the control's, its variance and its covariance with `a`.
    base: float
    base_b: float
    base_variance: float
    base_covariance: float

    @property
    def difference(self) -> float:
        return self.b - self.a

    @property
    def se(self) -> float:
        return math.sqrt(self.va + self.vb)

    @property
    def degrees(self) -> float:
        return self.se**4 / (self.va**2 / (self.na - 1) + self.vb**2 / (self.nb - 1))

    @property
    def lift_se(self) -> float:
        """By the delta method."""
        return math.sqrt(self.vb / self.base**2 + self.va * self.base_b**2 / self.base**4)


def moments(case: Case, ddof: int = 1) -> Moments:
    na, nb = (len(arm) for arm in case.arms)
    observed = [arm.y for arm in case.arms]
    if case.kind == "ratio":
        # Each unit's share of the ratio's error, around the ratio.
        ratios = [arm.y.mean() / arm.below.mean() for arm in case.arms]
        observed = [ratio + (arm.y - ratio * arm.below) / arm.below.mean() for arm, ratio in zip(case.arms, ratios)]
    adjusted = observed
    if case.cuped:
        adjusted = [arm.y - slope(case) * (arm.before - pooled(case)[1].mean()) for arm in case.arms]
    (a, b), covariance = adjusted, np.cov(observed[0], adjusted[0], ddof=ddof) / na
    return Moments(a.mean(), b.mean(), a.var(ddof=ddof) / na, b.var(ddof=ddof) / nb, na, nb, observed[0].mean(), observed[1].mean(),
                   covariance[0, 0], covariance[0, 1])


def slope(case: Case) -> float:
    """Of the value on that before exposure, over both arms as one sample."""
    covariance = np.cov(*pooled(case))
    return covariance[0, 1] / covariance[1, 1]


def pooled(case: Case) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.concatenate([getattr(arm, of) for arm in case.arms]) for of in ("y", "before"))


def welch(case: Case, ddof: int = 1) -> Answer:
    m = moments(case, ddof)
    return test(m.difference, m.se, m.degrees)


def normal(case: Case, ddof: int = 1) -> Answer:
    m = moments(case, ddof)
    return test(m.difference, m.se)


def delta(case: Case, ddof: int = 1) -> Answer:
    m = moments(case, ddof)
    return test(m.difference / m.base, m.lift_se, m.degrees)


def over(answer: Answer, base: float) -> Answer:
    return Answer(answer.effect / base, answer.low / base, answer.high / base, answer.chance)


def confidence_sequence(effect: float, se: float, units: int) -> Answer:
    """Waudby-Smith et al., arXiv 2103.06476: equations 9, 155 and 161."""
    rho2 = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / TUNING
    r = units * rho2 + 1
    half = se * math.sqrt(2 * r * math.log(math.sqrt(r) / 0.05) / (units * rho2))
    p = min(1.0, math.sqrt(r) * math.exp(-rho2 * units * (effect / se) ** 2 / (2 * r)))
    return Answer(effect, effect - half, effect + half, p)


def belief(effect: float, se: float, sd: float | None) -> Answer:
    """The normal posterior, under a flat prior or N(0, sd²)."""
    precision = 1 / se**2 + (0 if sd is None else 1 / sd**2)
    mean, spread = effect / se**2 / precision, precision**-0.5
    return Answer(mean, mean - Z * spread, mean + Z * spread, stats.norm.sf(0, mean, spread))


def log_ratio(m: Moments, p: float) -> Answer:
    """The interval of a log ratio of means, with Student's quantile and its own degrees of freedom."""
    va, vb = m.va / m.a**2, m.vb / m.b**2
    degrees = (va + vb) ** 2 / (va**2 / (m.na - 1) + vb**2 / (m.nb - 1))
    half = math.exp(stats.t.ppf(0.975, degrees) * math.sqrt(va + vb))
    return Answer(m.b / m.a - 1, m.b / m.a / half - 1, m.b / m.a * half - 1, p)


def pooled_share(case: Case) -> tuple[float, float]:
    """The share of both arms together, and the standard error of a difference if both had it."""
    together = sum(arm.y.sum() for arm in case.arms) / sum(len(arm) for arm in case.arms)
    return together, math.sqrt(together * (1 - together) * sum(1 / len(arm) for arm in case.arms))


def fieller(case: Case, ddof: int, quantile: float, p: float) -> Answer:
    """Fieller's set: the lifts L with (D - L base)² at most quantile² Var(D - L base), between the roots."""
    m, q2 = moments(case, ddof), quantile**2
    squared, linear = m.base**2 - q2 * m.base_variance, -2 * (m.difference * m.base + q2 * m.base_covariance)
    roots = np.roots([squared, linear, m.difference**2 - q2 * m.se**2])
    return Answer(m.difference / m.base, roots.min(), roots.max(), p)


def sequential_fieller(case: Case, ddof: int) -> Answer:
    m = moments(case, ddof)
    absolute = confidence_sequence(m.difference, m.se, m.na + m.nb)
    return fieller(case, ddof, (absolute.high - m.difference) / m.se, absolute.chance)


def posterior(m: Moments, what: str, sd: float | None) -> Answer:
    if what == "difference":
        return belief(m.difference, m.se, None if sd is None else sd * abs(m.base))
    return belief(m.difference / m.base, m.lift_se, sd)


def cumulative(case: Case) -> list[tuple[int, int]]:
    """The units of both arms at each of five even looks, in the order of the file."""
    return [tuple(round(len(arm) * look / LOOKS) for arm in case.arms) for look in range(1, LOOKS + 1)]
