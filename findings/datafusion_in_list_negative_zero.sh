#!/usr/bin/env bash
# DataFusion 55.0.0: `x = 0` is true of -0.0, and `x IN (0, 5, 6, 7)` is not.
#
# One compares by value, the other looks a float up in a set by its bits. A refund of nothing or a rounded loss is -0.0, and falls out of
# a list that names 0, but only of one that is long enough for a set: three values are compared one by one. Four comparisons with OR
# become such a list too, so that a condition more takes rows away.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: datafusion==55.0.0 duckdb==2.0.1

cat >finding.py <<'PYTHON'
import datafusion
import duckdb

ROWS = "(VALUES (-0.0e0), (0.0e0), (5.0e0), (9.0e0)) AS t(x)"
CONDITIONS = {"x = 0": 2, "x IN (0, 5, 6)": 3, "x IN (0, 5, 6, 7)": 3, "x = 0 OR x = 5 OR x = 6 OR x = 7": 3}
context = datafusion.SessionContext()
answers = {}
for condition, right in CONDITIONS.items():
    statement = f"SELECT count(*) AS n FROM {ROWS} WHERE {condition}"
    ours, duck = context.sql(statement).to_pydict()["n"][0], duckdb.sql(statement).fetchall()[0][0]
    print(statement)
    print(f"  DuckDB {duckdb.__version__}: {duck}")
    print(f"  DataFusion {datafusion.__version__}: {ours}")
    assert duck == right, "DuckDB answers otherwise"
    answers[condition] = ours
assert list(answers.values()) == [2, 3, 2, 2], "the behaviour has changed"
print("still so: a list of four values does not find -0.0 by its 0, nor do four comparisons that become one")
PYTHON
python/bin/python finding.py
