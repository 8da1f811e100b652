"""Writes the answers of PostgreSQL and DuckDB into `dialect.json`: `python3 answers.py CONNECTION`.

CONNECTION is a connection string of a PostgreSQL server, such as `host=127.0.0.1 user=postgres`. Needs the packages `duckdb` and
`psycopg2-binary`. An error is written as its text, null as nothing.
"""

import json
import pathlib
import sys

import duckdb
import psycopg2


def shown(value):
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def answer(connection, expression):
    try:
        cursor = connection.cursor()
        cursor.execute(f"SELECT {expression}")
        row = cursor.fetchone()
    except (duckdb.Error, psycopg2.Error) as error:
        return f"error: {str(error).splitlines()[0]}"
    return "" if row is None else shown(row[0])


def main():
    postgres = psycopg2.connect(sys.argv[1])
    postgres.autocommit = True
    postgres.cursor().execute("SET TimeZone = 'UTC'")
    duck = duckdb.connect()
    duck.execute("SET TimeZone = 'UTC'")
    path = pathlib.Path(__file__).parent / "dialect.json"
    entries = []
    for entry in json.loads(path.read_text()):
        expression = entry["expression"]
        answers = {"postgres": answer(postgres, expression), "duckdb": answer(duck, expression)}
        entries.append(json.dumps({"expression": expression, **answers}, ensure_ascii=False))
    path.write_text("[\n" + ",\n".join(entries) + "\n]\n")


main()
