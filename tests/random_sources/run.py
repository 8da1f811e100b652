"""Random sources, loaded by Tranche and computed by DuckDB.

    pip install duckdb pyarrow
    cargo build --release -p tranche-cli
    python3 tests/random_sources/run.py target/release/tranche --sources 1000

A source is a random file (CSV, NDJSON, Parquet) and a random mapping of its columns. Each of its rows must be in the table with the values
that DuckDB makes of the same raw values by the same expressions, or in quarantine, with a column that indeed cannot be taken from that row.
Everything follows from `--seed`. The last line of the output is `N sources: 0 differences`, or the exit code is 1.
"""

import argparse
import csv
import io
import json
import random
import subprocess
import sys
import tempfile
from decimal import Decimal
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.parquet

from expressions import Mappings, Raw, either, of_number, of_text

# So many sources are loaded by one run of the program.
TOGETHER = 50

# What columns of each family are like: values that are meant, and some that are not.
VALUES = {
    "number": ["0", "7", "-3", "+7.5", "007", "1.50", ".5", "12E2", "-0.25", "19.99", " 4.5 ", "1e-2", "99999.125"],
    "whole": ["0", "1", "-7", "42", "007", "7.0", "12E4", "20260228", "2147483648", "9007199254740993", "-99"],
    "truth": ["true", "false", "TRUE", "False"],
    "day": ["2026-02-28", "2024-02-29", "1969-12-31", "9999-12-31", "2026-03-01T00:00:00Z", "2026-01-01"],
    "instant": ["2026-03-04T05:06:07Z", "2026-03-04 05:06:07", "2026-03-04T05:06:07.123456Z", "2026-03-04T23:30:00+02:00", "2026-03-04",
                "1969-12-31T23:59:59.999Z", "2026-03-04T05:06:07.1000000Z"],
    "text": ["red", "blue", "Grün", "naïve café", "  padded ", "a,b", 'say "hi"', "two\nlines", "01067", "NULL", "=1+1", "日本語", "x;y", "\\N"],
    "label": ["red", "blue", "green"],
}
DIRT = {
    "number": ["dear", "1,5", "NaN", "1.2.3", "--3", "twelve", "inf"],
    "whole": ["7.5", "x", "123456789012345678901", "-", "1 000"],
    "truth": ["maybe", "2", "truest"],
    "day": ["2026-02-30", "20260228", "yesterday", "2026-13-01", "2026-02-28T10:00:00Z"],
    "instant": ["noon", "2026-02-30T10:00:00Z", "1777777777", "2026-03-04T25:00:00Z"],
    "text": [],
    "label": [],
}
# The types that columns of a family are given by name, and what is made of expressions.
BY_NAME = {
    "number": ["float64", "decimal(12,2)", "decimal(18,6)", "utf8"],
    "whole": ["int32", "int64", "decimal(12,0)", "float64", "utf8"],
    "truth": ["boolean", "utf8"],
    "day": ["date32", "timestamp(us, UTC)", "utf8"],
    "instant": ["timestamp(us, UTC)", "date32", "utf8"],
    "text": ["utf8"],
    "label": ["utf8"],
}
OF_KIND = {
    "number": ["decimal(18,4)", "decimal(12,2)", "float64", "int64"],
    "text": ["utf8"],
    "truth": ["boolean"],
    "instant": ["timestamp(us, UTC)"],
}
DUCK_TYPES = {"int64": "BIGINT", "decimal(18,6)": "DECIMAL(18,6)", "boolean": "BOOLEAN", "date32": "DATE", "timestamp(us, UTC)": "TIMESTAMPTZ",
              "utf8": "VARCHAR", "text": "VARCHAR"}
PARQUET_TYPES = {"number": "decimal(18,6)", "whole": "int64", "truth": "boolean", "day": "date32", "instant": "timestamp(us, UTC)",
                 "text": "utf8", "label": "utf8"}


class Source:
    """A random file and its mapping."""

    def __init__(self, number, dice):
        self.name, self.dice = f"s{number}", dice
        self.format = dice.choice(["csv", "csv", "ndjson", "parquet"])
        self.delimiter = dice.choice([",", ";", "\t", "|"]) if self.format == "csv" else None
        families = ["text", "label"] + dice.choices(list(VALUES), k=dice.randrange(2, 6)) + ["number", "instant"]
        self.raws = [Raw(f"r{at}", family, PARQUET_TYPES[family] if self.format == "parquet" else "text")
                     for at, family in enumerate(families)]
        dirt = dice.choice([0, 0.02, 0.1])
        self.rows = [self.row(f"k{at}", dirt) for at in range(dice.randrange(1, 60))]
        if dice.random() < 0.3:
            # The last row of a key counts.
            self.rows += [self.row(dice.choice(self.rows)[0], dirt) for _ in range(3)]
        self.broken = set()
        self.columns = []
        for at in range(dice.randrange(2, 7)):
            self.columns.append(self.column(f"c{at}"))

    def row(self, key, dirt):
        return [key] + [self.value(raw, dirt) for raw in self.raws]

    def value(self, raw, dirt):
        if self.dice.random() < 0.08:
            return None
        if self.format == "parquet":
            return self.typed(raw.family)
        good = DIRT[raw.family] == [] or self.dice.random() >= dirt
        return self.dice.choice(VALUES[raw.family] if good else DIRT[raw.family])

    def typed(self, family):
        moment = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=timezone.utc) + timedelta(days=self.dice.randrange(-9000, 9000))
        return {
            "number": lambda: Decimal(self.dice.randrange(-10**7, 10**7)).scaleb(-self.dice.choice([0, 2, 3])),
            "whole": lambda: self.dice.choice([0, 1, -7, 42, 2147483648, 9007199254740993, self.dice.randrange(-10**6, 10**6)]),
            "truth": lambda: self.dice.random() < 0.5,
            "day": lambda: date(2026, 2, 28) + timedelta(days=self.dice.randrange(-20000, 20000)),
            "instant": lambda: moment.replace(hour=0, minute=0, second=0, microsecond=0) if self.dice.random() < 0.5 else moment,
        }.get(family, lambda: self.dice.choice(VALUES[family]))()

    def column(self, name):
        """A column of the table: name, type, mapping, SQL of its value and of the rows that have none."""
        if self.dice.random() < 0.5:
            raw = self.dice.choice(self.raws)
            # A column of the raw one's name needs no mapping.
            is_named = self.dice.random() < 0.5 and raw.name not in [column["name"] for column in self.columns]
            name, mapping = (raw.name, None) if is_named else (name, raw.name)
            if raw.type == "text":
                target = self.dice.choice(BY_NAME[raw.family])
                value, fails = of_text(raw.name, target)
            else:
                target, value, fails = self.of_typed(raw, not is_named)
        else:
            kind = self.dice.choice(["number", "number", "text", "truth", "instant"])
            expression = Mappings(self.dice, self.raws).of(kind)
            target, mapping, value, fails = self.dice.choice(OF_KIND[kind]), expression.tranche, expression.duck, expression.fails
            if kind == "number":
                value, misfit = of_number(expression.duck, target)
                fails = either(fails, misfit)
        required = self.dice.random() < 0.15
        check = f"{name} >= 0" if target.startswith("decimal") and self.dice.random() < 0.3 else None
        fails = either(fails, f"{value} IS NULL" if required else None, f"{value} < 0" if check else None)
        return {"name": name, "type": target, "mapping": mapping, "value": value, "fails": fails or "false", "required": required, "check": check}

    def of_typed(self, raw, is_computed):
        if raw.family in ("number", "whole"):
            target = self.dice.choice([of for of in BY_NAME[raw.family] if of != "utf8"])
            value = raw.name if raw.family == "number" else f"{raw.name}::DECIMAL(18,0)"
            return target, *of_number(value, target, is_computed)
        if raw.family == "day":
            target = self.dice.choice(["date32", "timestamp(us, UTC)"])
            return target, raw.name if target == "date32" else f"{raw.name}::TIMESTAMPTZ", None
        if raw.family == "instant":
            target = self.dice.choice(["date32", "timestamp(us, UTC)"])
            midnight = f"{raw.name} IS NOT NULL AND {raw.name} <> date_trunc('day', {raw.name})"
            return (target, f"CAST({raw.name} AS DATE)", midnight) if target == "date32" else (target, raw.name, None)
        return {"truth": "boolean"}.get(raw.family, "utf8"), raw.name, None

    # What is written.

    def write(self, folder):
        (folder / "raw").mkdir(exist_ok=True)
        path = folder / f"raw/{self.name}.{self.format}"
        names = ["id"] + [raw.name for raw in self.raws]
        if self.format == "parquet":
            types = {"int64": pyarrow.int64(), "decimal(18,6)": pyarrow.decimal128(18, 6), "boolean": pyarrow.bool_(), "date32": pyarrow.date32(),
                     "timestamp(us, UTC)": pyarrow.timestamp("us", "UTC"), "utf8": pyarrow.string()}
            schema = pyarrow.schema([("id", pyarrow.string())] + [(raw.name, types[raw.type]) for raw in self.raws])
            columns = [pyarrow.array(values, schema.field(at).type) for at, values in enumerate(zip(*self.rows))]
            pyarrow.parquet.write_table(pyarrow.Table.from_arrays(columns, schema=schema), path)
        elif self.format == "csv":
            self.write_csv(path, names)
        else:
            self.write_ndjson(path, names)
        self.write_definitions(folder)

    def write_csv(self, path, names):
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator=self.dice.choice(["\n", "\r\n"]))
        writer.writerow(names)
        for at, row in enumerate(self.rows):
            cells = ["" if value is None else value for value in row]
            if self.dice.random() < 0.02:
                self.broken.add(at)
                cells = cells[:-1] if self.dice.random() < 0.5 else cells + ["surplus"]
            writer.writerow(cells)
        path.write_text(text.getvalue(), newline="")

    def write_ndjson(self, path, names):
        lines = []
        for at, row in enumerate(self.rows):
            if self.dice.random() < 0.02:
                self.broken.add(at)
                lines.append('{"id": "lost", ')
                continue
            pairs = [f"{json.dumps(name)}: {self.json(value)}" for name, value in zip(names, row)
                     if value is not None or self.dice.random() < 0.5]
            lines.append("{" + ", ".join(pairs) + "}")
        path.write_text("\n".join(lines) + "\n")

    def json(self, value):
        """A text, or the number that it is written as."""
        if value is None:
            return "null"
        try:
            is_number = json.dumps(json.loads(value)) and not isinstance(json.loads(value), (dict, list, str, type(None)))
        except ValueError:
            is_number = False
        # Python takes words for numbers that JSON has none of.
        is_number = is_number and value.strip() == value and value not in ("NaN", "Infinity", "-Infinity")
        return value if is_number and self.dice.random() < 0.6 else json.dumps(value, ensure_ascii=self.dice.random() < 0.5)

    def write_definitions(self, folder):
        quoted = lambda text: json.dumps(text, ensure_ascii=False)
        columns = ["  - {name: id, type: utf8, nullable: false}"]
        for column in self.columns:
            more = ", nullable: false" if column["required"] else ""
            more += f", check: {quoted(column['check'])}" if column["check"] else ""
            columns.append(f"  - {{name: {column['name']}, type: {quoted(column['type'])}{more}}}")
        contract = f"version: 1\ntable: {self.name}\nkind: entity\nentity: e_{self.name}\nkey: [id]\ncolumns:\n" + "\n".join(columns) + "\n"
        (folder / f"schemas/{self.name}.yaml").write_text(contract)
        options = f"options: {{delimiter: {quoted(self.delimiter)}}}\n" if self.delimiter else ""
        types = ""
        if self.format == "parquet":
            types = "types:\n" + "".join(f"  {raw.name}: {quoted(raw.type)}\n" for raw in self.raws)
        mapped = [column for column in self.columns if column["mapping"]]
        mapping = "".join(f"  {column['name']}: {quoted(column['mapping'])}\n" for column in mapped)
        mapping = f"columns:\n{mapping}" if mapping else ""
        source = (f"version: 1\nsource: {self.name}\ninto: {self.name}\nformat: {self.format}\npath: raw/{self.name}.{self.format}\n"
                  f"{options}{types}{mapping}on_reject: {{quarantine: {{max_ratio: 1}}}}\n")
        (folder / f"pipelines/p/sources/{self.name}.yaml").write_text(source)

    # What is compared.

    def differences(self, folder, rejects):
        """What is not as DuckDB has it, as texts."""
        base = duckdb.connect()
        base.execute("SET TimeZone = 'UTC'")
        names = ", ".join(f"{raw.name} {DUCK_TYPES[raw.type]}" for raw in self.raws)
        base.execute(f"CREATE TABLE raw (nr INTEGER, id VARCHAR, {names})")
        whole = [[at + 1] + row for at, row in enumerate(self.rows) if at not in self.broken]
        marks = ", ".join("?" * (len(self.raws) + 2))
        if whole:
            base.executemany(f"INSERT INTO raw VALUES ({marks})", whole)
        fails = ", ".join(f"coalesce({column['fails']}, false) AS {column['name']}" for column in self.columns)
        wrong = {}
        for row in base.execute(f"SELECT nr, {fails} FROM raw").fetchall():
            columns = {column["name"] for column, failed in zip(self.columns, row[1:]) if failed}
            if columns:
                wrong[row[0]] = columns
        found = {reject["row"]: reject for reject in rejects}
        problems = [f"row {row} is rejected for {found[row]['column']}: {found[row]['reason']}; DuckDB takes it"
                    for row in found if row not in wrong and row - 1 not in self.broken]
        problems += [f"row {row} is loaded, though {columns} cannot be" for row, columns in wrong.items() if row not in found]
        problems += [f"row {at + 1} is broken, and was taken" for at in self.broken if at + 1 not in found]
        problems += [f"row {row} is rejected for {found[row]['column']} ({found[row]['reason']}), but it is {columns} that cannot be"
                     for row, columns in wrong.items() if row in found and found[row]["column"] not in columns]
        return problems + self.other_values(base, folder, set(wrong))

    def other_values(self, base, folder, wrong):
        good = f"nr NOT IN ({', '.join(map(str, wrong))})" if wrong else "true"
        files = list((folder / f"lake/tables/{self.name}").rglob("*.parquet"))
        kept = f"SELECT * FROM raw WHERE {good} QUALIFY row_number() OVER (PARTITION BY id ORDER BY nr DESC) = 1"
        if not files:
            count = base.execute(f"SELECT count(*) FROM ({kept})").fetchone()[0]
            return [f"{count} rows are not there"] if count else []
        paths = ", ".join(f"'{file}'" for file in files)
        base.execute(f"CREATE TABLE found AS SELECT * FROM read_parquet([{paths}], hive_partitioning = false)")
        keys = base.execute(f"SELECT coalesce(f.id, e.id) FROM found f FULL JOIN ({kept}) e ON f.id = e.id "
                            "WHERE f.id IS NULL OR e.id IS NULL").fetchall()
        problems = [f"{key[0]} is in only one of both" for key in keys]
        for column in self.columns:
            # A file without any row has no columns to compare.
            name, value = column["name"], column["value"]
            same = f"abs(f.{name} - v) <= 1e-12 * abs(v)" if column["type"] == "float64" else "false"
            of = ("epoch_us(v), epoch_us(f.{0})" if column["type"].startswith("timestamp") else "v, f.{0}").format(name)
            left, right = of.split(", ")
            query = (f"SELECT e.id, v, f.{name} FROM (SELECT *, {value} AS v FROM ({kept})) e JOIN found f ON f.id = e.id "
                     f"WHERE {left} IS DISTINCT FROM {right} AND NOT coalesce({same}, false)")
            problems += [f"{key}: {name} is {got!r}, but {expected!r} by DuckDB"
                         for key, expected, got in base.execute(query).fetchall()]
        return problems


def load(program, folder, sources):
    """Loads them in one run, and gives the rejects of each."""
    for path in ["schemas", "pipelines/p/sources"]:
        (folder / path).mkdir(parents=True)
    (folder / "tranche.yaml").write_text("version: 1\nlake: ./lake\n")
    names = ", ".join(source.name for source in sources)
    (folder / "pipelines/p/pipeline.yaml").write_text(f"version: 1\npipeline: p\nsteps:\n  - {{id: load, ingest: [{names}]}}\n")
    for source in sources:
        source.write(folder)

    def tranche(*arguments):
        ran = subprocess.run([program, "--format", "json", *arguments], cwd=folder, capture_output=True, text=True)
        if ran.returncode:
            sys.exit(f"{' '.join(arguments)} in {folder} ended with {ran.returncode}\n{ran.stdout[-4000:]}\n{ran.stderr[-8000:]}")
        return json.loads(ran.stdout)

    tranche("run", "p", "--as-of", "2026-06-01")
    rejects = {source.name: [] for source in sources}
    for reject in tranche("quarantine", "list", "--limit", "100000"):
        rejects[reject["source"]].append(reject)
    return rejects


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tranche", type=Path, help="the program")
    parser.add_argument("--sources", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="write the projects here, and leave them")
    options = parser.parse_args()
    counts = {"sources": 0, "rows": 0, "rejected": 0, "differences": 0}
    for first in range(0, options.sources, TOGETHER):
        numbers = range(first, min(first + TOGETHER, options.sources))
        sources = [Source(number, random.Random(f"{options.seed}/{number}")) for number in numbers]
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.keep or Path(temporary)) / str(first)
            folder.mkdir(parents=True)
            rejects = load(options.tranche.resolve(), folder, sources)
            for source in sources:
                problems = source.differences(folder, rejects[source.name])
                counts["sources"] += 1
                counts["rows"] += len(source.rows)
                counts["rejected"] += len(rejects[source.name])
                counts["differences"] += len(problems)
                if problems:
                    mappings = "; ".join(f"{column['name']} {column['type']}: {column['mapping'] or 'by name'}" for column in source.columns)
                    print(f"{source.name} ({source.format}; {mappings})", *problems[:5], sep="\n  ")
    print(f"{counts['rows']} rows, {counts['rejected']} rejected")
    print(f"{counts['sources']} sources: {counts['differences']} differences")
    sys.exit(1 if counts["differences"] else 0)


if __name__ == "__main__":
    main()
