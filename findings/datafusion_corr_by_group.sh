#!/usr/bin/env bash
# DataFusion 55.0.0: `corr(y, x)` of the same rows is 0.98 without GROUP BY, and null with it.
#
# Without groups it adds up deviations from running means; with groups it adds up squares and subtracts, as textbooks warn not to,
# because nothing is left where values lie far from zero (seconds since 1970, ids, amounts in cents). A result that is null says
# "one side does not vary" to whoever reads it. Other values that far out come out as NaN, or with the wrong sign.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: datafusion==55.0.0 duckdb==2.0.1

cat >finding.py <<'PYTHON'
import statistics

import datafusion
import duckdb

Y, X = [1e9 + 1, 1e9 + 2, 1e9 + 3], [1e9 + 2, 1e9 + 3, 1e9 + 5]
ROWS = ", ".join(f"(1, {y:.0f}e0, {x:.0f}e0)" for y, x in zip(Y, X))
STATEMENTS = {
    f"SELECT corr(y, x) AS c FROM (VALUES {ROWS}) AS t(g, y, x)": False,
    f"SELECT corr(y, x) AS c FROM (VALUES {ROWS}) AS t(g, y, x) GROUP BY g": True,
}
right = statistics.correlation(X, Y)
print(f"Python's statistics.correlation: {right}")
context = datafusion.SessionContext()
for statement, is_lost in STATEMENTS.items():
    ours, duck = context.sql(statement).to_pydict()["c"][0], duckdb.sql(statement).fetchall()[0][0]
    print(statement)
    print(f"  DuckDB {duckdb.__version__}: {duck}")
    print(f"  DataFusion {datafusion.__version__}: {ours}")
    assert abs(duck - right) < 1e-6, "DuckDB answers otherwise"
    assert (ours is None) if is_lost else abs(ours - right) < 1e-6, "the behaviour has changed"
print("still so: grouped, DataFusion loses the correlation of values that lie far from zero")
PYTHON
python/bin/python finding.py
