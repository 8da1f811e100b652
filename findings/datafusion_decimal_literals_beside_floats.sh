#!/usr/bin/env bash
# DataFusion 55.0.0 with `datafusion.sql_parser.parse_float_as_decimal`: floats that stand beside a literal such as 0.5 become decimals.
#
# The setting makes literals exact, as PostgreSQL and DuckDB have them. There, a float beside a decimal makes both floats. DataFusion
# makes both decimals of fifteen digits before and fifteen behind the point: small floats become 0, and large ones fail the query.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: datafusion==55.0.0 duckdb==2.0.1

cat >finding.py <<'PYTHON'
import datafusion
import duckdb

FLOAT = "FROM (SELECT CAST('{}' AS DOUBLE) AS x) AS t"
STATEMENTS = {
    "SELECT coalesce(x, 0.5) = 0 AS answer " + FLOAT.format("1e-17"): ([True], [False]),
    "SELECT CASE WHEN true THEN x ELSE 0.5 END = 0 AS answer " + FLOAT.format("1e-17"): ([True], [False]),
    "SELECT x > 0.5 AS answer " + FLOAT.format("1e300"): ("Overflowing on 1e300", [True]),
}
context = datafusion.SessionContext(
    datafusion.SessionConfig({"datafusion.sql_parser.parse_float_as_decimal": "true"})
)


def answer(statement):
    try:
        return context.sql(statement).to_pydict()["answer"]
    except Exception as error:
        return str(error)


for statement, (seen, right) in STATEMENTS.items():
    ours, duck = answer(statement), [row[0] for row in duckdb.sql(statement).fetchall()]
    print(statement)
    print(f"  DuckDB {duckdb.__version__}: {duck}")
    print(f"  DataFusion {datafusion.__version__}: {ours}")
    assert duck == right, "DuckDB answers otherwise"
    assert ours == seen or (isinstance(ours, str) and seen in ours), "the behaviour has changed"
print("still so: beside a decimal literal, DataFusion reads floats as decimals")
PYTHON
python/bin/python finding.py
