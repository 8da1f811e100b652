#!/usr/bin/env bash
# gbstats 0.8.0 (the statistics of GrowthBook): the one-sided interval of "the treatment is less" ends below its own estimate, so it
# leaves out what was measured, and it ends below zero where the p-value is 0.3.
#
# Where the p-value of such a test is above alpha, its interval contains zero: both ask the same question. The interval of the other
# side ("the treatment is greater") does; scipy's one-sided Welch interval ends above the estimate.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: gbstats==0.8.0 scipy==1.17.1

cat >finding.py <<'PYTHON'
from importlib.metadata import version

import numpy
from gbstats.frequentist.tests import FrequentistConfig, OneSidedTreatmentGreaterTTest, OneSidedTreatmentLesserTTest
from gbstats.models.statistics import SampleMeanStatistic
from scipy.stats import ttest_ind

draw = numpy.random.default_rng(7)
control, treatment = draw.normal(10, 2, 500), draw.normal(10, 2, 500)
treatment += control.mean() - treatment.mean() - 0.05
as_statistic = lambda values: SampleMeanStatistic(n=len(values), sum=values.sum(), sum_squares=(values**2).sum())
config = FrequentistConfig(difference_type="absolute")
print("gbstats", version("gbstats"), "scipy", version("scipy"))
found = {}
for test in (OneSidedTreatmentLesserTTest, OneSidedTreatmentGreaterTTest):
    result = test(as_statistic(control), as_statistic(treatment), config).compute_result()
    found[test.__name__] = result
    print(f"{test.__name__}: estimate {result.expected:.4f}, p = {result.p_value:.3f}, interval {result.ci[0]:.4f} to {result.ci[1]:.4f}")
scipy = ttest_ind(treatment, control, equal_var=False, alternative="less")
interval = scipy.confidence_interval(0.95)
print(f"scipy, less: p = {scipy.pvalue:.3f}, interval {interval.low:.4f} to {interval.high:.4f}")

lesser, greater = found.values()
assert abs(lesser.p_value - scipy.pvalue) < 1e-9 and lesser.p_value > 0.3, "the behaviour has changed"
assert lesser.ci[1] < lesser.expected < 0 < interval.high, "the behaviour has changed"
assert greater.ci[0] < greater.expected, "the behaviour has changed"
print("still so: the interval leaves out its own estimate")
PYTHON
python/bin/python finding.py
