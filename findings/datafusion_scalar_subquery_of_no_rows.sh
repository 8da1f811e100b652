#!/usr/bin/env bash
# DataFusion 55.0.0 says that a scalar subquery without rows is not null, where what it selects can never be null.
#
# The value of a scalar subquery without rows is null, whatever it selects. DataFusion takes the subquery's column, which is declared
# NOT NULL, for its value: IS NULL is folded to false, and coalesce fails while it runs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: datafusion==55.0.0 duckdb==2.0.1

cat >finding.py <<'PYTHON'
import datafusion
import duckdb

STATEMENTS = {
    "SELECT (SELECT 1 WHERE false) IS NULL AS answer": [False],
    "SELECT coalesce((SELECT 1 WHERE false), 7) AS answer": "declared as non-nullable but contains null values",
}


def answer(statement):
    try:
        return datafusion.SessionContext().sql(statement).to_pydict()["answer"]
    except Exception as error:
        return str(error)


for statement, seen in STATEMENTS.items():
    ours = answer(statement)
    print(statement)
    print(f"  DuckDB {duckdb.__version__}: {[row[0] for row in duckdb.sql(statement).fetchall()]}")
    print(f"  DataFusion {datafusion.__version__}: {ours}")
    assert ours == seen or (isinstance(ours, str) and seen in ours), "the behaviour has changed"
print("still so: a subquery without rows is not null to DataFusion")
PYTHON
python/bin/python finding.py
