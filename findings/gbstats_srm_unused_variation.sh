#!/usr/bin/env bash
# gbstats 0.8.0 (the statistics of GrowthBook) tests the split of traffic with a degree of freedom for a variation that gets none: its
# weight is 0 and nobody is in it, and the p-value of the very same split of the others is several times larger.
#
# Such a variation is one that was switched off, or is prepared. Pearson's test has one degree of freedom fewer than there are groups
# that may have users; scipy's chisquare of the others says so too. A mismatch that is told without the third variation may be missed with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: gbstats==0.8.0 scipy==1.17.1

cat >finding.py <<'PYTHON'
from importlib.metadata import version

from gbstats.utils import check_srm
from scipy.stats import chi2, chisquare

USERS = [50_720, 49_280]
two = check_srm(USERS, [0.5, 0.5])
three = check_srm([*USERS, 0], [0.5, 0.5, 0])
statistic, second = chisquare(USERS)
print("gbstats", version("gbstats"), "scipy", version("scipy"), "users", USERS)
print(f"gbstats, two variations:               p = {two:.2e}")
print(f"gbstats, and a third of weight 0:      p = {three:.2e}")
print(f"scipy, the two:                        p = {second:.2e}")
print(f"chi-squared, two degrees of freedom:   p = {chi2.sf(statistic, 2):.2e}")
assert abs(two - second) < 1e-12, "the behaviour has changed"
assert abs(three - chi2.sf(statistic, 2)) < 1e-12 and three > 5 * two, "the behaviour has changed"
print("still so: a variation that gets no traffic makes a mismatch of the others look likelier")
PYTHON
python/bin/python finding.py
