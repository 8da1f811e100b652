"""What gbstats, tea-tasting, spotify-confidence and statsmodels say of a case."""
from __future__ import annotations

import math

import numpy as np
import pandas as pd
import tea_tasting as tea
from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig, GaussianPrior
from gbstats.frequentist.tests import FrequentistConfig, SequentialConfig, SequentialTwoSidedTTest, TwoSidedTTest
from gbstats.models.statistics import ProportionStatistic, RatioStatistic, RegressionAdjustedStatistic, SampleMeanStatistic
from spotify_confidence.analysis.bayesian.bayesian_models import BetaBinomial
from spotify_confidence.analysis.frequentist.t_test import StudentsTTest
from spotify_confidence.analysis.frequentist.z_test import ZTest
from spotify_confidence.analysis.frequentist.z_test_linreg import ZTestLinreg
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW
from scipy import stats

from .formulas import (COARSE, MONTE_CARLO, PRIORS, TUNING, Z, Answer, Arm, Case, Row, confidence_sequence, cumulative, delta, log_ratio,
                       moments, normal, over, pooled, pooled_share, posterior, slope, test, welch)


def by_gbstats(case: Case) -> list[Row]:
    def statistic(arm: Arm):
        match case.kind:
            case "proportion":
                return ProportionStatistic(n=len(arm), sum=arm.y.sum())
            case "ratio":
                return RatioStatistic(n=len(arm), m_statistic=mean_statistic(arm.y), d_statistic=mean_statistic(arm.below),
                                      m_d_sum_of_products=(arm.y * arm.below).sum())
            case "mean_cuped":
                return RegressionAdjustedStatistic(n=len(arm), post_statistic=mean_statistic(arm.y), theta=0,
                                                   pre_statistic=mean_statistic(arm.before),
                                                   post_pre_sum_of_products=(arm.y * arm.before).sum())
        return mean_statistic(arm.y)

    def mean_statistic(values: np.ndarray) -> SampleMeanStatistic:
        return SampleMeanStatistic(n=len(values), sum=values.sum(), sum_squares=(values * values).sum())

    def result(found, chance: str) -> Answer:
        return Answer(found.expected, *found.ci, getattr(found, chance))

    ddof, reason = (0, "a") if case.kind == "proportion" else (1, "")
    m, rows = moments(case, ddof), []
    for what, kind in (("difference", "absolute"), ("lift", "relative")):
        by_delta = reason + ("b" if what == "lift" else "")
        a, b = statistic(case.control), statistic(case.treatment)
        fixed = TwoSidedTTest(a, b, FrequentistConfig(difference_type=kind)).compute_result()
        explained = welch(case, ddof) if what == "difference" else delta(case, ddof)
        rows.append(Row(what, "gbstats", result(fixed, "p_value"), by_delta, explained))
        sequential = SequentialTwoSidedTTest(a, b, SequentialConfig(difference_type=kind, sequential_tuning_parameter=TUNING))
        scale = (m.difference, m.se) if what == "difference" else (m.difference / m.base, m.lift_se)
        rows.append(Row(f"{what}, at any look", "gbstats", result(sequential.compute_result(), "p_value"), by_delta,
                        confidence_sequence(*scale, m.na + m.nb)))
        for prior, sd in PRIORS.items():
            gaussian = GaussianPrior(0, 1 if sd is None else sd**2, sd is not None)
            config = EffectBayesianConfig(difference_type=kind, prior_effect=gaussian)
            rows.append(Row(f"{what}, {'flat prior' if sd is None else 'prior ' + prior}", "gbstats",
                            result(EffectBayesianABTest(a, b, config).compute_result(), "chance_to_win"), reason, posterior(m, what, sd)))
    return rows


def by_tea_tasting(case: Case) -> list[Row]:
    frame = pd.DataFrame({"variant": np.repeat([0, 1], [len(case.control), len(case.treatment)]),
                          "y": np.concatenate([arm.y for arm in case.arms])})
    for column in ("below", "before"):
        if getattr(case.control, column) is not None:
            frame[column] = np.concatenate([getattr(arm, column) for arm in case.arms])
    metrics = {"Mean": {"mean_cuped": lambda: tea.Mean("y", "before"), "ratio": lambda: tea.RatioOfMeans("y", "below")}.get(
        case.kind, lambda: tea.Mean("y"))()}
    if case.kind == "proportion":
        metrics["Proportion"] = tea.Proportion("y")
    rows = []
    for name, found in tea.Experiment(metrics).analyze(frame, control=0).items():
        tool = "tea-tasting" if name == "Mean" else "tea-tasting, Proportion"
        absolute = Answer(found.effect_size, found.effect_size_ci_lower, found.effect_size_ci_upper, found.pvalue)
        relative = Answer(found.rel_effect_size, found.rel_effect_size_ci_lower, found.rel_effect_size_ci_upper, found.pvalue)
        if name == "Mean":
            explained = log_ratio(moments(case), welch(case).chance)
            rows += [Row("difference", tool, absolute), Row("lift", tool, relative, "cd" if case.cuped else "c", explained)]
        else:
            rows += tea_shares(case, tool, absolute, relative)
    return rows


def tea_shares(case: Case, tool: str, absolute: Answer, relative: Answer) -> list[Row]:
    """The normal test of a pooled share, with a correction for continuity."""
    m, (together, se) = moments(case, 0), pooled_share(case)
    correction = 0.5 * (1 / m.na + 1 / m.nb)
    p = 2 * stats.norm.sf(max(abs(m.difference) - correction, 0) / se)
    half = Z * se + correction
    factor = math.exp(Z * se / together + correction / m.a)
    return [Row("difference", tool, absolute, "efg", Answer(m.difference, m.difference - half, m.difference + half, p)),
            Row("lift", tool, relative, "cefg", Answer(m.b / m.a - 1, m.b / m.a / factor - 1, m.b / m.a * factor - 1, p))]


# The critical value at the last of five even looks that spend alpha t², by adaptive quadrature.
LAST_BOUND = 2.114027423
COLUMNS = dict(numerator_column="s", numerator_sum_squares_column="q", denominator_column="n", categorical_group_columns="arm")


def by_spotify(case: Case) -> list[Row]:
    if case.kind == "ratio":
        return []
    def frame(looks: list[tuple[int, int]]) -> pd.DataFrame:
        return pd.DataFrame([
            {"arm": name, "look": number, "n": n, "s": arm.y[:n].sum(), "q": (arm.y[:n] ** 2).sum(), "final": sum(looks[-1])}
            for number, parts in enumerate(looks, 1) for name, arm, n in zip("ab", case.arms, parts)])

    def result(found: pd.DataFrame, chance: str = "p-value", adjusted: str = "") -> Answer:
        row = found.iloc[-1]
        return Answer(row["difference"], row[f"{adjusted}ci_lower"], row[f"{adjusted}ci_upper"], row[chance] if chance else None)

    ddof, share = (0, "a") if case.kind == "proportion" else (1, "")
    whole, m = frame(cumulative(case)[-1:]), moments(case, ddof)
    if case.cuped:
        x = [arm.before for arm in case.arms]
        whole = whole.assign(x=[v.sum() for v in x], xx=[(v * v).sum() for v in x], xy=[(v * arm.y).sum() for v, arm in zip(x, case.arms)])
        test_of = ZTestLinreg(whole, **COLUMNS, feature_column="x", feature_sum_squares_column="xx", feature_cross_sum_column="xy")
        theta = slope(case)
        se = math.sqrt(sum((arm.y.var(ddof=1) + theta**2 * arm.before.var() - 2 * theta * np.cov(arm.y, arm.before, ddof=0)[0, 1])
                           / len(arm) for arm in case.arms))
        z = test(m.difference, se)
        return [Row("difference", "spotify-confidence, ZTestLinreg", result(test_of.difference("a", "b")), "ei", z),
                Row("lift", "spotify-confidence, ZTestLinreg", result(test_of.difference("a", "b", absolute=False)), "dehi", over(z, m.a))]
    t, z = StudentsTTest(whole, **COLUMNS), ZTest(whole, **COLUMNS)
    rows = [
        Row("difference", "spotify-confidence, StudentsTTest", result(t.difference("a", "b")), share, welch(case, ddof)),
        Row("difference", "spotify-confidence, ZTest", result(z.difference("a", "b")), share + "e", normal(case, ddof)),
        Row("lift", "spotify-confidence, StudentsTTest", result(t.difference("a", "b", absolute=False)), share + "h",
            over(welch(case, ddof), m.a)),
    ]
    looks = ZTest(frame(cumulative(case)), **COLUMNS, ordinal_group_column="look")
    found = looks.difference("a", "b", groupby="look", final_expected_sample_size_column="final", verbose=True)
    rows.append(Row("difference, at the last of five planned looks", "spotify-confidence, ZTest", result(found, "", "adjusted "), "m",
                    Answer(m.difference, m.difference - LAST_BOUND * m.se, m.difference + LAST_BOUND * m.se, None), COARSE))
    if case.kind == "proportion":
        np.random.seed(1)
        for what, absolute in (("difference", True), ("lift", False)):
            tool = BetaBinomial(whole, numerator_column="s", denominator_column="n", categorical_group_columns="arm")
            answer = result(tool.difference("a", "b", absolute=absolute), "P(level_2 > level_1)")
            rows.append(Row(f"{what}, flat prior", "spotify-confidence, BetaBinomial", answer, "j", beta_binomial(case, what), MONTE_CARLO))
    return rows


def beta_binomial(case: Case, what: str) -> Answer:
    """Jeffreys' prior on each share; the posterior of the difference or the ratio on a grid, without chance."""
    def density(arm: Arm) -> tuple[np.ndarray, np.ndarray]:
        law = stats.beta(arm.y.sum() + 0.5, len(arm) - arm.y.sum() + 0.5)
        at = law.ppf((np.arange(2000) + 0.5) / 2000)
        return at, np.full(2000, 1 / 2000)

    (a, wa), (b, wb) = map(density, case.arms)
    effects = (b[None, :] - a[:, None] if what == "difference" else b[None, :] / a[:, None] - 1).ravel()
    ordered = np.sort(effects)
    return Answer(effects.mean(), ordered[int(0.025 * len(ordered))], ordered[int(0.975 * len(ordered))], (effects > 0).mean())


def by_statsmodels(case: Case) -> list[Row]:
    (a, b), rows = case.arms, []
    if case.kind == "ratio":
        return rows
    if case.cuped:
        x = np.column_stack([np.ones(len(a) + len(b)), np.repeat([0.0, 1.0], [len(a), len(b)]), pooled(case)[1]])
        fit = OLS(pooled(case)[0], x).fit()
        answer = Answer(fit.params[1], *fit.conf_int()[1], fit.pvalues[1])
        return [Row("difference", "statsmodels, OLS", answer, "fk", ancova(case))]
    means = CompareMeans(DescrStatsW(b.y), DescrStatsW(a.y))
    for usevar, reason in (("unequal", ""), ("pooled", "f")):
        _, p, _ = means.ttest_ind(usevar=usevar)
        answer = Answer(b.y.mean() - a.y.mean(), *means.tconfint_diff(usevar=usevar), p)
        spread = math.sqrt((a.y.var() * len(a) + b.y.var() * len(b)) / (len(a) + len(b) - 2) * (1 / len(a) + 1 / len(b)))
        explained = welch(case) if usevar == "unequal" else test(answer.effect, spread, len(a) + len(b) - 2)
        rows.append(Row("difference", f"statsmodels, ttest_ind {usevar}", answer, reason, explained))
    if case.kind == "proportion":
        counts, sizes = [b.y.sum(), a.y.sum()], [len(b), len(a)]
        _, p = proportions_ztest(counts, sizes)
        low, high = confint_proportions_2indep(counts[0], sizes[0], counts[1], sizes[1])
        _, se = pooled_share(case)
        effect = b.y.mean() - a.y.mean()
        rows.append(Row("difference", "statsmodels, proportions_ztest", Answer(effect, low, high, p), "efl",
                        newcombe(case, 2 * stats.norm.sf(abs(effect) / se))))
        low, high = confint_proportions_2indep(counts[0], sizes[0], counts[1], sizes[1], compare="ratio", method="log")
        m = moments(case, 0)
        half = math.exp(Z * math.sqrt(m.va / m.a**2 + m.vb / m.b**2))
        rows.append(Row("lift", "statsmodels, log ratio", Answer(m.b / m.a - 1, low - 1, high - 1, None), "ace",
                        Answer(m.b / m.a - 1, m.b / m.a / half - 1, m.b / m.a * half - 1, None)))
    return rows


def ancova(case: Case) -> Answer:
    """Least squares with a slope within the arms, and one variance for both."""
    centred = [(arm.y - arm.y.mean(), arm.before - arm.before.mean()) for arm in case.arms]
    sxx, sxy = sum((x * x).sum() for _, x in centred), sum((x * y).sum() for y, x in centred)
    slope, (a, b) = sxy / sxx, case.arms
    gap = b.before.mean() - a.before.mean()
    degrees = len(a) + len(b) - 3
    residual = sum(((y - slope * x) ** 2).sum() for y, x in centred) / degrees
    return test(b.y.mean() - a.y.mean() - slope * gap, math.sqrt(residual * (1 / len(a) + 1 / len(b) + gap**2 / sxx)), degrees)


def newcombe(case: Case, p: float) -> Answer:
    """Newcombe's hybrid of the two shares' Wilson intervals."""
    def wilson(arm: Arm) -> tuple[float, float, float]:
        n, share = len(arm), arm.y.mean()
        middle, half = share + Z**2 / (2 * n), Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n * n))
        return share, (middle - half) / (1 + Z**2 / n), (middle + half) / (1 + Z**2 / n)

    (a, la, ua), (b, lb, ub) = map(wilson, case.arms)
    return Answer(b - a, b - a - math.hypot(b - lb, ua - a), b - a + math.hypot(ub - b, a - la), p)
