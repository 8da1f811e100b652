#!/usr/bin/env bash
# A Parquet file with a checksum for each page, of which one bit flipped: DuckDB 2.0.0, polars 2.1.0, DataFusion 55.0.0 and, unless
# asked, pyarrow 26.0.1, which wrote it, answer with another sum, and without an error.
#
# The checksum is in the header of each page, and no longer that of its bytes. Whoever writes checksums is no safer for it, as long as
# readers do not look.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
  datafusion==55.0.0 duckdb==2.0.0 polars==2.1.0 pyarrow==26.0.1

cat >finding.py <<'PYTHON'
import datafusion
import duckdb
import polars
import pyarrow
import pyarrow.parquet

FILE = "amounts.parquet"
AMOUNTS = range(1000, 2000)
table = pyarrow.table({"amount": pyarrow.array(AMOUNTS, pyarrow.int64())})
pyarrow.parquet.write_table(table, FILE, compression="none", use_dictionary=False, write_page_checksum=True)
with open(FILE, "rb") as file:
    data = bytearray(file.read())
# The lowest bit of 1500, in the page of values: 1501.
data[data.index((1500).to_bytes(8, "little"))] ^= 1
with open(FILE, "wb") as file:
    file.write(data)


def with_pyarrow(**options):
    return sum(pyarrow.parquet.read_table(FILE, **options)["amount"].to_pylist())


def with_datafusion():
    context = datafusion.SessionContext()
    context.register_parquet("t", FILE)
    return context.sql("SELECT sum(amount) AS n FROM t").to_pydict()["n"][0]


right, wrong = sum(AMOUNTS), sum(AMOUNTS) + 1
print("sum before a bit flipped:", right)
found = {
    f"pyarrow {pyarrow.__version__}": with_pyarrow(),
    f"polars {polars.__version__}": polars.read_parquet(FILE)["amount"].sum(),
    f"DuckDB {duckdb.__version__}": duckdb.connect().execute(f"SELECT sum(amount) FROM '{FILE}'").fetchone()[0],
    f"DataFusion {datafusion.__version__}": with_datafusion(),
}
for who, answer in found.items():
    print(f"{who}: {answer}")
try:
    verified = with_pyarrow(page_checksum_verification=True)
except OSError as error:
    verified = None
    print(f"pyarrow, page_checksum_verification=True: {error}")
assert verified is None and set(found.values()) == {wrong}, "the behaviour has changed"
print("still so: none of them looks at the checksum unasked")
PYTHON
python/bin/python finding.py
