"""Writes the statements of `subqueries_*.slt`: every way to compare with a subquery, in every place where it may stand.

`python3 subqueries.py && python3 answers.py subqueries_*.slt` writes them with their answers, which need the package `duckdb`.
"""

import itertools
import pathlib

TABLES = """statement ok
CREATE TABLE p AS SELECT * FROM (VALUES (1, 1, 'a'), (2, 2, 'b'), (3, NULL, 'a'), (4, 4, NULL), (5, 9, 'b'), (6, NULL, NULL)) AS v(id, x, g)

statement ok
CREATE TABLE s AS SELECT * FROM (VALUES (1, 1, 1, 'a'), (2, 1, NULL, 'b'), (3, 2, 2, 'a'), (4, 3, 1, NULL), (5, 4, NULL, 'a'), (6, NULL, 9, 'b'), (7, 5, 3, 'b'), (8, 5, 9, 'a')) AS v(k, p_id, y, z)
"""

LEFT = ["p.x", "2", "CAST(NULL AS BIGINT)", "p.x + 1", "nullif(p.x, 4)", "CASE WHEN p.id > 2 THEN 9 END"]

ROWS = {
    "uncorrelated": [
        "SELECT s.y FROM s",
        "SELECT s.y FROM s WHERE s.y IS NOT NULL",
        "SELECT s.y FROM s WHERE s.k < 0",
        "SELECT DISTINCT s.y FROM s WHERE s.z = 'a'",
        "SELECT max(s.y) FROM s GROUP BY s.z",
    ],
    "by_equality": [
        "SELECT s.y FROM s WHERE s.p_id = p.id",
        "SELECT s.y FROM s WHERE s.p_id = p.id AND s.y IS NOT NULL",
        "SELECT s.y FROM s WHERE s.y = p.x",
        "SELECT s.y + 0 FROM s WHERE s.z = p.g AND s.p_id = p.id",
    ],
    "by_less": [
        "SELECT s.y FROM s WHERE s.p_id < p.id",
        "SELECT s.y FROM s WHERE s.p_id <= p.id AND s.z = p.g",
        "SELECT s.y FROM s WHERE s.p_id <> p.id",
    ],
}

COMPARED = ["# IN (@)", "# NOT IN (@)", "# = ANY (@)", "# <> ALL (@)", "# > ANY (@)", "# <= ALL (@)"]

PLACES = {
    "where": [
        "SELECT p.id FROM p WHERE %",
        "SELECT p.id FROM p WHERE NOT (%)",
        "SELECT p.id FROM p WHERE (%) IS NULL",
        "SELECT p.id FROM p WHERE (%) IS NOT TRUE",
        "SELECT p.id FROM p WHERE % OR p.id = 2",
        "SELECT p.id FROM p WHERE % AND p.g IS NOT NULL",
        "SELECT p.id FROM p WHERE coalesce(%, true)",
        "SELECT p.id FROM p WHERE CASE WHEN % THEN 'a' WHEN NOT (%) THEN 'b' ELSE 'c' END = 'b'",
    ],
    "values": [
        "SELECT p.id, % AS found FROM p",
        "SELECT p.id, CASE WHEN % THEN 'a' WHEN NOT (%) THEN 'b' ELSE 'c' END AS label FROM p",
        "SELECT count(*) FILTER (WHERE %) AS some, count(*) FILTER (WHERE (%) IS NULL) AS unknown FROM p",
    ],
}

SCALARS = [
    "SELECT count(*) FROM s",
    "SELECT max(s.y) FROM s",
    "SELECT sum(s.y) FILTER (WHERE s.z = 'a') FROM s",
    "SELECT count(s.y) + 1 FROM s",
]

SCALAR_ROWS = [
    "",
    " WHERE s.k < 0",
    " WHERE s.p_id = p.id",
    " WHERE s.p_id = p.id AND s.z = p.g",
    " WHERE s.p_id < p.id",
    " WHERE s.z = p.g AND s.k > p.id",
]

SCALAR_PLACES = [
    "SELECT p.id FROM p WHERE (#) = 1",
    "SELECT p.id FROM p WHERE (#) IS NULL OR p.id = 1",
    "SELECT p.id FROM p WHERE (#) > p.id - 2 AND p.g = 'a'",
    "SELECT p.id, (#) AS found FROM p",
    "SELECT p.id, coalesce((#), -1) * 2 AS found FROM p",
    "SELECT p.g, sum((#)) AS found FROM p GROUP BY p.g",
]

EXISTS_ROWS = [
    "SELECT 1 FROM s WHERE s.p_id = p.id",
    "SELECT 1 FROM s WHERE s.y = p.x AND s.z = p.g",
    "SELECT 1 FROM s WHERE s.p_id < p.id",
    "SELECT 1 FROM s WHERE s.k < 0",
    "SELECT s.y FROM s",
    "SELECT 1 FROM s WHERE s.p_id IN (SELECT q.id FROM p q WHERE q.g = 'a')",
    "SELECT 1 FROM s WHERE s.y NOT IN (SELECT q.x FROM p q WHERE q.x IS NOT NULL) AND s.p_id = p.id",
]


# Of the statements with a WHERE, one in so many: together they are thousands.
STEP = {"where": 5, "values": 1}


def compared_statements(rows, place):
    every = itertools.product(LEFT, ROWS[rows], COMPARED, PLACES[place])
    for left, subquery, form, statement in itertools.islice(every, 0, None, STEP[place]):
        condition = form.replace("#", left).replace("@", subquery)
        yield statement.replace("%", condition)


def scalar_statements():
    for select, rows, statement in itertools.product(SCALARS, SCALAR_ROWS, SCALAR_PLACES):
        yield statement.replace("#", select + rows)


def exists_statements():
    for rows, negation in itertools.product(EXISTS_ROWS, ["", "NOT "]):
        for statement in PLACES["where"] + PLACES["values"]:
            yield statement.replace("%", f"{negation}EXISTS ({rows})")


def write(name, title, statements):
    records = [f"# {title} Statements: subqueries.py; answers: answers.py.\n\n{TABLES.strip()}"]
    records += [f"query T rowsort\n{statement}\n----" for statement in statements]
    path = pathlib.Path(__file__).parent / f"subqueries_{name}.slt"
    path.write_text("\n\n".join(records) + "\n")


for rows, place in itertools.product(ROWS, PLACES):
    name = f"{rows}_in_{place}"
    write(name, f"Values compared with subqueries: {name.replace('_', ' ')}.", compared_statements(rows, place))
write("scalar", "Subqueries of one value.", scalar_statements())
write("exists", "EXISTS.", exists_statements())
