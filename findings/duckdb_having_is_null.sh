#!/usr/bin/env bash
# DuckDB 2.0.0 drops HAVING ... IS NULL from a subquery behind LEFT JOIN ... WHERE key IS NULL (an anti join).
#
# The subquery has no rows: `max(quantity)` is 1. No row is joined, so the anti join must return person 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.0

cat >finding.py <<'PYTHON'
import sqlite3

import duckdb

SETUP = [
    "CREATE TABLE people (id INTEGER)",
    "INSERT INTO people VALUES (1)",
    "CREATE TABLE orders (person INTEGER, quantity INTEGER)",
    "INSERT INTO orders VALUES (1, 1)",
]
SUBQUERY = "SELECT person FROM orders GROUP BY person HAVING max(quantity) IS NULL"
STATEMENT = f"SELECT people.id FROM people LEFT JOIN ({SUBQUERY}) AS o ON o.person = people.id WHERE o.person IS NULL"


def rows(connection, statement):
    return connection.execute(statement).fetchall()


lite, duck = sqlite3.connect(":memory:"), duckdb.connect(":memory:")
for statement in SETUP:
    lite.execute(statement)
    duck.execute(statement)
print("statement:", STATEMENT)
found = {
    f"SQLite {sqlite3.sqlite_version}": rows(lite, STATEMENT),
    f"DuckDB {duckdb.__version__}, the subquery alone": rows(duck, SUBQUERY),
    f"DuckDB {duckdb.__version__}": rows(duck, STATEMENT),
}
duck.execute("PRAGMA disable_optimizer")
found[f"DuckDB {duckdb.__version__}, PRAGMA disable_optimizer"] = rows(duck, STATEMENT)
for who, answer in found.items():
    print(f"{who}: {answer}")
assert list(found.values()) == [[(1,)], [], [], [(1,)]], "the behaviour has changed"
print("still so: with its optimizer DuckDB loses person 1")
PYTHON
python/bin/python finding.py
