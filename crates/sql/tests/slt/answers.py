"""Writes the answers of DuckDB into the .slt files beside this script: `python3 answers.py [FILE...]`.

Needs the package `duckdb`. Statements and queries are kept as they stand; what follows `----` is answered again.
"""

import datetime
import decimal
import pathlib
import sys

import duckdb


def column_type(kind):
    name = str(kind)
    if name in ("FLOAT", "DOUBLE") or name.startswith("DECIMAL"):
        return "R"
    return "I" if "INT" in name else "T"


def shown(value, kind):
    if value is None:
        return "NULL"
    if kind == "R":
        return f"{float(value):.6f}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return str(value) or "(empty)"


def answered(record, connection):
    """A record with its answer; comments before it stay."""
    lines = record.split("\n")
    start = next((at for at, line in enumerate(lines) if line and not line.startswith("#")), None)
    if start is None:
        return record
    words, body = lines[start].split(), lines[start + 1 :]
    sql = "\n".join(body[: body.index("----")] if "----" in body else body)
    found = connection.execute(sql)
    if words[0] == "statement":
        return record
    kinds = [column_type(column[1]) for column in found.description]
    rows = [" ".join(shown(value, kind) for value, kind in zip(row, kinds)) for row in found.fetchall()]
    sort = words[2:] if len(words) > 2 else []
    if sort == ["rowsort"]:
        rows.sort()
    head = " ".join(["query", "".join(kinds), *sort])
    return "\n".join([*lines[:start], head, sql, "----", *rows])


def main():
    folder = pathlib.Path(__file__).parent
    for path in map(pathlib.Path, sys.argv[1:]) if len(sys.argv) > 1 else sorted(folder.glob("*.slt")):
        connection = duckdb.connect(":memory:")
        connection.execute("SET TimeZone = 'UTC'")
        records = path.read_text().strip("\n").split("\n\n")
        path.write_text("\n\n".join(answered(record, connection) for record in records) + "\n")


main()
