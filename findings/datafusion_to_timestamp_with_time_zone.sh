#!/usr/bin/env bash
# DataFusion 55.0.0 with `datafusion.execution.time_zone` set: to_timestamp works on a literal, and fails on a column.
#
# With the setting, to_timestamp is planned as an instant in that zone. Of a literal it is one; of a column it is a timestamp without
# zone, so that the batch does not fit the schema that was planned. Tests that use literals do not notice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: datafusion==55.0.0

cat >finding.py <<'PYTHON'
import datafusion

LITERAL = "SELECT to_timestamp('2026-11-29') AS answer"
COLUMN = "SELECT to_timestamp(x) AS answer FROM (VALUES ('2026-11-29'), ('2026-11-30')) AS t(x)"


def answer(statement, settings):
    context = datafusion.SessionContext(datafusion.SessionConfig(settings))
    try:
        return str(context.sql(statement).to_pydict()["answer"])
    except Exception as error:
        return f"error: {error}"


print(f"DataFusion {datafusion.__version__}")
found = {}
for statement in (LITERAL, COLUMN):
    for settings in ({}, {"datafusion.execution.time_zone": "UTC"}):
        found[statement, bool(settings)] = answer(statement, settings)
        print(f"{statement} with {settings}: {found[statement, bool(settings)]}")
failed = [key for key, text in found.items() if text.startswith("error")]
assert failed == [(COLUMN, True)] and "column types must match" in found[COLUMN, True], "the behaviour has changed"
print("still so: of a column, to_timestamp has no zone although it is planned with one")
PYTHON
python/bin/python finding.py
