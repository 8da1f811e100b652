"""Answers cases with DuckDB: one JSON request a line on stdin, one JSON answer a line on stdout.

A request holds `setup` (SQL that makes the tables as they are seen at the instant, and `universe`, the table of entities), `key`, and
`definitions` in an order in which each comes after those that it needs. What a segment's members, its unmatched ids and its rows
without a key are is worked out here from the rows of its query, on purpose in another way than where it is tested.
"""

import json
import sys

import duckdb

worlds = {}


def world(setup):
    if setup not in worlds:
        while len(worlds) >= 4:
            worlds.pop(next(iter(worlds))).close()
        connection = duckdb.connect(":memory:", config={"threads": 1})
        # Standard output is for answers.
        connection.execute("SET enable_progress_bar = false")
        # What a query means, and nothing that is clever: 2.0.0 loses a HAVING behind LEFT JOIN ... IS NULL.
        connection.execute("PRAGMA disable_optimizer")
        connection.execute(setup)
        worlds[setup] = connection
    return worlds[setup]


def members_table(connection, key, name, members):
    connection.execute(f'CREATE TABLE "segment:{name}" AS SELECT "{key}" FROM universe WHERE false')
    if members:
        connection.executemany(f'INSERT INTO "segment:{name}" VALUES (?)', [[member] for member in members])


def add_traits(connection, key, definition, wide):
    name = definition["name"]
    connection.execute(f'CREATE TABLE "traits:{name}" AS {definition["sql"]}')
    columns = [column[0] for column in connection.execute(f'SELECT * FROM "traits:{name}" LIMIT 0').description]
    own = columns[0]
    defaults = definition["defaults"]
    traits = [f'coalesce(t."{c}", {defaults[c]}) AS "{c}"' if c in defaults else f't."{c}"' for c in columns[1:]]
    connection.execute(
        f'CREATE TABLE "wide:{name}" AS SELECT w.*, {", ".join(traits)} '
        f'FROM "{wide}" AS w LEFT JOIN "traits:{name}" AS t ON w."{key}" = t."{own}"'
    )
    return f"wide:{name}"


def answer(request):
    connection, key = world(request["setup"]), request["key"]
    answers, taken, known, wide = {}, {}, set(), "universe"
    connection.execute("BEGIN")
    try:
        universe = {row[0] for row in connection.execute(f'SELECT "{key}" FROM universe').fetchall()}
        for definition in request["definitions"]:
            if definition["role"] == "traits":
                wide = add_traits(connection, key, definition, wide)
        connection.execute(f'CREATE VIEW traits AS SELECT * FROM "{wide}"')
        for definition in request["definitions"]:
            if definition["role"] == "traits":
                continue
            for needed in definition["needs"]:
                if needed not in known:
                    members_table(connection, key, needed, [])
                    known.add(needed)
            by_name = {}
            try:
                rows = connection.execute(definition["sql"]).fetchall()
            except duckdb.Error as error:
                raise RuntimeError(f"{definition['name']}: {error}") from error
            if definition["role"] == "set":
                for row_key, label in rows:
                    if label is not None:
                        by_name.setdefault(f"{definition['name']}/{label}", []).append(row_key)
            else:
                by_name[definition["name"]] = [row[0] for row in rows]
            for name, keys in by_name.items():
                found = {k for k in keys if k is not None}
                members = found & universe
                if definition["group"] is not None:
                    members -= taken.setdefault(definition["group"], set())
                    taken[definition["group"]] |= members
                answers[name] = {
                    "members": sorted(str(member) for member in members),
                    "unmatched": len(found - universe),
                }
                if name not in known:
                    members_table(connection, key, name, members)
                    known.add(name)
    finally:
        connection.execute("ROLLBACK")
    return answers


for line in sys.stdin:
    try:
        reply = {"answers": answer(json.loads(line))}
    except Exception as error:  # whatever it is, the case that asked must be told
        reply = {"error": str(error)}
    print(json.dumps(reply), flush=True)
