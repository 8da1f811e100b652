#!/usr/bin/env bash
# pyarrow 26.0.1 writes 9999-12-31 as INT96, as Spark does, and by default reads the file back as 1816-03-29, without an error.
#
# The file is right: DuckDB reads what was written, and so does pyarrow when it is asked for microseconds. The schema that pyarrow
# stores in the file (microseconds) is not followed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.0 pyarrow==26.0.1

cat >finding.py <<'PYTHON'
import datetime

import duckdb
import pyarrow
import pyarrow.parquet

MICROSECONDS = pyarrow.timestamp("us")
WRITTEN = datetime.datetime(9999, 12, 31)
table = pyarrow.table({"at": pyarrow.array([WRITTEN], MICROSECONDS)})
pyarrow.parquet.write_table(table, "a.parquet", use_deprecated_int96_timestamps=True)


def read(**options):
    column = pyarrow.parquet.read_table("a.parquet", **options)["at"]
    return str(column.type), column.cast(MICROSECONDS, safe=False)[0].as_py()


print("written:", WRITTEN, "as", pyarrow.parquet.ParquetFile("a.parquet").schema.column(0).physical_type)
second = duckdb.connect(":memory:").execute("SELECT CAST(\"at\" AS TIMESTAMP) FROM 'a.parquet'").fetchone()[0]
found = {
    f"pyarrow {pyarrow.__version__}": read(),
    f"pyarrow {pyarrow.__version__}, coerce_int96_timestamp_unit='us'": read(coerce_int96_timestamp_unit="us"),
    f"DuckDB {duckdb.__version__}": ("TIMESTAMP", second),
}
for who, (kind, instant) in found.items():
    print(f"{who}: {instant} as {kind}")
instants = [instant for _, instant in found.values()]
assert instants[0].date() == datetime.date(1816, 3, 29) and instants[1:] == [WRITTEN, WRITTEN], "the behaviour has changed"
print("still so: by default pyarrow reads another instant than it wrote")
PYTHON
python/bin/python finding.py
