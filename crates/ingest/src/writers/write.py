"""Writes Parquet files as pyarrow, polars, pandas and DuckDB do: the same rows in each, and every type that they have.

Each file has the rows 1, 2 and 3, the last of which is null in every column but `id`.
"""

import datetime as dt
import decimal
import sys
import uuid
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(sys.argv[1])
IDS = ["1", "2", "3"]
TEXTS = ["7", "x", None]
NUMBERS = [1, 7, None]
LARGE = [1, 18446744073709551615, None]
FLOATS = [1.5, float("nan"), None]
ENDLESS = [0.1, float("inf"), None]
DECIMALS = [decimal.Decimal("1.50"), decimal.Decimal("-7.25"), None]
DATES = [dt.date(2026, 2, 28), dt.date(9999, 12, 31), None]
TIMES = [dt.time(10, 0, 0), dt.time(23, 59, 59), None]
INSTANTS = [dt.datetime(2026, 2, 28), dt.datetime(2026, 2, 28, 10, 0, 0), None]
DURATIONS = [dt.timedelta(seconds=60), dt.timedelta(days=1), None]
LISTS = [["a", None], [], None]
WHOLES = [[1, None], [], None]
OBJECTS = [{"os": "ios", "n": 9007199254740993}, {"os": None, "n": 2}, None]
MAPS = [[("k", "v")], [], None]
BYTES = [b"7", b"\xff", None]
UUIDS = [uuid.UUID(int=1), uuid.UUID(int=2**128 - 1), None]
TRUTHS = [True, False, None]
NOTHING = [None, None, None]


def of_pyarrow():
    utc = [instant and instant.replace(tzinfo=dt.timezone.utc) for instant in INSTANTS]
    columns = {
        "id": pa.array(IDS),
        "text": pa.array(TEXTS),
        "large_text": pa.array(TEXTS, pa.large_string()),
        "text_view": pa.array(TEXTS, pa.string_view()),
        "category": pa.array(TEXTS).dictionary_encode(),
        "truth": pa.array(TRUTHS),
        "int8": pa.array(NUMBERS, pa.int8()),
        "int16": pa.array(NUMBERS, pa.int16()),
        "int32": pa.array(NUMBERS, pa.int32()),
        "int64": pa.array(NUMBERS, pa.int64()),
        "uint8": pa.array(NUMBERS, pa.uint8()),
        "uint32": pa.array(NUMBERS, pa.uint32()),
        "uint64": pa.array(LARGE, pa.uint64()),
        "float16": pa.array(FLOATS, pa.float16()),
        "float32": pa.array(ENDLESS, pa.float32()),
        "float64": pa.array(FLOATS, pa.float64()),
        "decimal9": pa.array(DECIMALS, pa.decimal128(9, 2)),
        "decimal18": pa.array(DECIMALS, pa.decimal128(18, 2)),
        "decimal38": pa.array(DECIMALS, pa.decimal128(38, 2)),
        "decimal76": pa.array(DECIMALS, pa.decimal256(76, 2)),
        "date": pa.array(DATES, pa.date32()),
        "date64": pa.array(DATES, pa.date64()),
        "time": pa.array(TIMES, pa.time64("us")),
        "time_ms": pa.array(TIMES, pa.time32("ms")),
        "at_s": pa.array(INSTANTS, pa.timestamp("s")),
        "at_ms": pa.array(INSTANTS, pa.timestamp("ms")),
        "at_us": pa.array(INSTANTS, pa.timestamp("us")),
        "at_ns": pa.array([1_772_236_800_000_000_000, 1_772_236_800_000_000_001, None], pa.timestamp("ns")),
        "at_utc": pa.array(utc, pa.timestamp("us", "UTC")),
        "at_berlin": pa.array(utc, pa.timestamp("us", "Europe/Berlin")),
        "duration": pa.array(DURATIONS, pa.duration("us")),
        "list": pa.array(LISTS, pa.list_(pa.string())),
        "large_list": pa.array(LISTS, pa.large_list(pa.large_string())),
        "wholes": pa.array(WHOLES, pa.list_(pa.int64())),
        "object": pa.array(OBJECTS, pa.struct({"os": pa.string(), "n": pa.int64()})),
        "map": pa.array(MAPS, pa.map_(pa.string(), pa.string())),
        "bytes": pa.array(BYTES, pa.binary()),
        "uuid": pa.array([value and value.bytes for value in UUIDS], pa.binary(16)),
        "nothing": pa.array(NOTHING, pa.null()),
    }
    pq.write_table(pa.table(columns), FOLDER / "pyarrow.parquet")
    # As Spark does, and without the schema that only Arrow reads.
    late = [dt.datetime(2026, 2, 28, 10), dt.datetime(9999, 12, 31), None]
    old = pa.table({"id": pa.array(IDS), "at": pa.array(late, pa.timestamp("us"))})
    pq.write_table(old, FOLDER / "int96.parquet", use_deprecated_int96_timestamps=True, store_schema=False)


def of_polars():
    series = {
        "id": pl.Series(IDS),
        "text": pl.Series(TEXTS),
        "category": pl.Series(TEXTS, dtype=pl.Categorical),
        "truth": pl.Series(TRUTHS),
        "int8": pl.Series(NUMBERS, dtype=pl.Int8),
        "int64": pl.Series(NUMBERS, dtype=pl.Int64),
        "uint32": pl.Series(NUMBERS, dtype=pl.UInt32),
        "uint64": pl.Series(LARGE, dtype=pl.UInt64),
        "float32": pl.Series(ENDLESS, dtype=pl.Float32),
        "float64": pl.Series(FLOATS, dtype=pl.Float64),
        "decimal18": pl.Series(DECIMALS, dtype=pl.Decimal(18, 2)),
        "date": pl.Series(DATES),
        "time": pl.Series(TIMES),
        "at_ms": pl.Series(INSTANTS, dtype=pl.Datetime("ms")),
        "at_us": pl.Series(INSTANTS, dtype=pl.Datetime("us")),
        "at_utc": pl.Series(INSTANTS, dtype=pl.Datetime("us", "UTC")),
        "duration": pl.Series(DURATIONS),
        "list": pl.Series(LISTS, dtype=pl.List(pl.String)),
        "wholes": pl.Series(WHOLES, dtype=pl.List(pl.Int64)),
        "object": pl.Series(OBJECTS, dtype=pl.Struct({"os": pl.String, "n": pl.Int64})),
        "bytes": pl.Series(BYTES, dtype=pl.Binary),
        "nothing": pl.Series(NOTHING, dtype=pl.Null),
    }
    pl.DataFrame(series).write_parquet(FOLDER / "polars.parquet")


def of_pandas():
    columns = {
        "id": IDS,
        "text": TEXTS,
        "category": pd.Categorical(TEXTS),
        "truth": pd.array(TRUTHS, dtype="boolean"),
        # Whole numbers with a gap are floating point there, unless told otherwise.
        "gap": pd.Series([1, 7, None]),
        "int64": pd.array(NUMBERS, dtype="Int64"),
        "uint64": pd.array(LARGE, dtype="UInt64"),
        "float64": pd.Series([1.5, 0.1, None]),
        "decimal18": pd.Series(DECIMALS, dtype=object),
        "date": pd.Series(DATES, dtype=object),
        "time": pd.Series(TIMES, dtype=object),
        "at_us": pd.Series(INSTANTS).astype("datetime64[us]"),
        "at_ns": pd.Series(pd.to_datetime(INSTANTS)).astype("datetime64[ns]"),
        "at_utc": pd.Series(pd.to_datetime(INSTANTS)).dt.tz_localize("UTC"),
        "duration": pd.Series(DURATIONS),
        "list": pd.Series(LISTS, dtype=object),
        "object": pd.Series(OBJECTS, dtype=object),
        "bytes": pd.Series(BYTES, dtype=object),
        "nothing": pd.Series(NOTHING, dtype=object),
    }
    pd.DataFrame(columns).to_parquet(FOLDER / "pandas.parquet")


def of_duckdb():
    query = """
        SELECT id, text, CAST(text AS ENUM('7', 'x')) AS category, truth,
               CAST(n AS TINYINT) AS int8, CAST(n AS BIGINT) AS int64, CAST(large AS UBIGINT) AS uint64,
               CAST(n AS HUGEINT) AS hugeint, CAST(endless AS FLOAT) AS float32, float AS float64,
               CAST(d AS DECIMAL(9, 2)) AS decimal9, CAST(d AS DECIMAL(18, 2)) AS decimal18,
               CAST(d AS DECIMAL(38, 2)) AS decimal38, date, time,
               CAST("at" AS TIMESTAMP_S) AS at_s, CAST("at" AS TIMESTAMP_MS) AS at_ms, "at" AS at_us,
               CAST("at" AS TIMESTAMP_NS) AS at_ns, CAST("at" AS TIMESTAMPTZ) AS at_utc,
               CAST(duration AS INTERVAL) AS duration, list, wholes, object,
               CASE WHEN id = '1' THEN MAP {'k': 'v'} WHEN id = '2' THEN MAP {} END AS map, bytes,
               CAST(uuid AS UUID) AS uuid, NULL AS nothing
        FROM rows
    """
    columns = {
        "id": IDS, "text": TEXTS, "truth": TRUTHS, "n": NUMBERS, "float": FLOATS, "endless": ENDLESS, "d": DECIMALS,
        "date": DATES, "time": TIMES, "at": INSTANTS, "duration": DURATIONS, "list": LISTS, "wholes": WHOLES,
        "object": OBJECTS, "bytes": BYTES, "uuid": [value and str(value) for value in UUIDS],
    }
    rows = pa.table({**columns, "large": pa.array(LARGE, pa.uint64())})
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("rows", rows)
    connection.execute(f"COPY ({query}) TO '{FOLDER / 'duckdb.parquet'}' (FORMAT parquet)")


for write in (of_pyarrow, of_polars, of_pandas, of_duckdb):
    write()
