#!/usr/bin/env python3
"""Refreshing many segments, against DuckDB: one workload, written once and run by both.

DIR is made by `generate` and holds everything: `data/` (Parquet, the events in one file a day), `project/` (a Tranche project) and
`results/` (JSON, one file a measurement). The workload is a set of segments in plain SQL: by demography, frequency, spend, lapse and
recency. DuckDB runs it query by query, as saved queries in a warehouse are run, and as the one query that an expert would write by
hand. Tranche loads the tables and refreshes in full; then a file with one more day arrives, and it refreshes again.

example:
  pip install duckdb
  cargo build --release -p tranche-cli
  python3 benchmarks/segments.py run /tmp/segments --binary target/release/tranche
  python3 benchmarks/segments.py run /tmp/small --users 20000 --events 400000 --days 30 --binary target/release/tranche
"""
from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

# The first refresh is true for the beginning of this day, the next for that of the day after.
TODAY = date(2026, 10, 29)
TOMORROW = TODAY + timedelta(days=1)

# The share of each family of segments, in percent.
SHARES = {"demographic": 20, "frequency": 25, "spend": 20, "lapsed": 20, "recency": 15}
COUNTRIES = {"US": 31, "IN": 14, "BR": 11, "DE": 10, "GB": 9, "FR": 8, "JP": 7, "ES": 5, "CA": 3, "AU": 2}
PLANS = {"free": 72, "basic": 20, "pro": 8}
GENDERS = {"f": 49, "m": 48, "x": 3}
DEVICES = {"android": 45, "ios": 38, "web": 17}
KINDS = {"view": 62, "search": 18, "cart": 10, "email_open": 6, "purchase": 4}
# Of a hundred users, so many have no event at all.
DORMANT = 15

USERS = {"user_id": "int64", "country": "utf8", "age": "int32", "gender": "utf8", "plan": "utf8", "signed_up_on": "date32"}
EVENTS = {"event_id": "int64", "user_id": "int64", "happened_at": "timestamp(us, UTC)", "kind": "utf8", "amount": "decimal(12,2)",
          "device": "utf8", "category": "int32"}


# The workload.

@dataclass(frozen=True)
class Segment:
    """`sql` selects the members; `wide` is the same as a condition on one wide row per user. `{as_of}` is left open in `sql`."""
    name: str
    family: str
    sql: str
    wide: str


class Workload:
    """Segments of a seed, and what a wide row has to hold for them: {(aggregate, condition, days): column}."""

    def __init__(self, segments: int, days: int, seed: int):
        self.random = random.Random(seed)
        self.days = days
        shorter = [window for window in (7, 14, 30, 60, 90, 180, 365) if window < days]
        self.windows = [*shorter, days]
        # So long has someone been quiet who was not before.
        self.quiet = shorter[:3] or [max(days // 2, 1)]
        self.columns: dict[tuple[str, str, int], str] = {}
        families = [name for name, share in SHARES.items() for _ in range(share)]
        chosen = [families[number * len(families) // segments] for number in range(segments)]
        self.segments = [self._segment(family, f"{family}_{number:04d}") for number, family in enumerate(chosen)]

    def _segment(self, family: str, name: str) -> Segment:
        sql, wide = getattr(self, f"_{family}")()
        return Segment(name, family, sql, wide)

    def _column(self, aggregate: str, condition: str, days: int) -> str:
        return self.columns.setdefault((aggregate, condition, days), f"c{len(self.columns)}")

    def _condition(self) -> str:
        """What kind of event; every third time narrower."""
        kind = self.random.choice(list(KINDS))
        narrower = self.random.choice(["", "", f" AND device = '{self.random.choice(list(DEVICES))}'",
                                       "", "", f" AND category < {self.random.choice([5, 10, 20])}"])
        return f"kind = '{kind}'{narrower}"

    def _demographic(self) -> tuple[str, str]:
        youngest, width = self.random.randint(18, 60), self.random.choice([5, 10, 20])
        condition = (f"country = '{self.random.choice(list(COUNTRIES))}' AND plan = '{self.random.choice(list(PLANS))}' "
                     f"AND age BETWEEN {youngest} AND {youngest + width}")
        return f"SELECT user_id FROM users WHERE {condition}", condition

    def _frequency(self) -> tuple[str, str]:
        condition, days, times = self._condition(), self.random.choice(self.windows), self.random.randint(1, 8)
        return (events_with(condition, days, f"count(*) >= {times}"),
                f"{self._column('count(*)', condition, days)} >= {times}")

    def _spend(self) -> tuple[str, str]:
        condition = self.random.choice(["", " AND category < 10", " AND device = 'ios'"])
        condition, days = f"kind = 'purchase'{condition}", self.random.choice(self.windows[1:] or self.windows)
        country, least = self.random.choice(list(COUNTRIES)), self.random.randint(20, 300)
        members = events_with(condition, days, f"sum(amount) > {least}")
        return (f"SELECT user_id FROM users WHERE country = '{country}' AND user_id IN ({members})",
                f"country = '{country}' AND {self._column('sum(amount)', condition, days)} > {least}")

    def _lapsed(self) -> tuple[str, str]:
        condition, quiet = self._condition(), self.random.choice(self.quiet)
        long, short = events_with(condition, self.days), events_with(condition, quiet)
        return (f"SELECT user_id FROM users WHERE user_id IN ({long}) AND user_id NOT IN ({short})",
                f"{self._column('count(*)', condition, self.days)} > 0 AND {self._column('count(*)', condition, quiet)} = 0")

    def _recency(self) -> tuple[str, str]:
        condition, quiet, age = self._condition(), self.random.choice(self.quiet), self.random.randint(18, 50)
        last = f"< {{as_of}} - INTERVAL '{quiet} days'"
        members = events_with(condition, self.days, f"max(happened_at) {last}")
        return (f"SELECT user_id FROM users WHERE age > {age} AND user_id IN ({members})",
                f"age > {age} AND {self._column('max(happened_at)', condition, self.days)} {last}")

    def fused(self) -> str:
        """The sizes of all segments in one query: one pass over the events, one wide row per user."""
        aggregates = [f"{aggregate} FILTER (WHERE {since(days)} AND {condition}) AS {column}"
                      for (aggregate, condition, days), column in self.columns.items()]
        counts = [column for (aggregate, _, _), column in self.columns.items() if aggregate == "count(*)"]
        columns = ", ".join(f"coalesce({column}, 0) AS {column}" if column in counts else column for column in self.columns.values())
        sizes = ",\n  ".join(f"count(*) FILTER (WHERE {segment.wide}) AS {segment.name}" for segment in self.segments)
        return (f"WITH totals AS (SELECT user_id, {', '.join(aggregates)} FROM events WHERE {since(self.days)} GROUP BY user_id),\n"
                f"wide AS (SELECT users.*, {columns} FROM users LEFT JOIN totals ON totals.user_id = users.user_id)\n"
                f"SELECT {sizes} FROM wide")


def since(days: int) -> str:
    return f"happened_at >= {{as_of}} - INTERVAL '{days} days'"


def events_with(condition: str, days: int, having: str = "") -> str:
    grouped = f" GROUP BY user_id HAVING {having}" if having else ""
    return f"SELECT user_id FROM events WHERE {since(days)} AND {condition}{grouped}"


# The data.

def generate(folder: Path, users: int, events: int, days: int, segments: int, seed: int) -> None:
    """Writes the users, the events of each day before TODAY, and those of TODAY, which arrive later."""
    data = folder / "data"
    shutil.rmtree(folder / "project", ignore_errors=True)
    shutil.rmtree(folder / "results", ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)
    (data / "events").mkdir(parents=True)
    (data / "later").mkdir()
    (folder / "workload.json").write_text(
        json.dumps({"users": users, "events": events, "days": days, "segments": segments, "seed": seed}) + "\n")
    with duckdb.connect() as connection:
        # A number in [0, 1) from a row's number and a column's salt, the same in every version of DuckDB.
        connection.execute("""
            CREATE MACRO shuffled(n) AS xor(n, n >> 13);
            CREATE MACRO uniform(i, salt) AS shuffled(
                (shuffled((i * 48271 + salt * 7368787 + 97) % 2147483647) * 1103515245 + 12345) % 2147483647) % 2147483647 / 2147483647.0;
        """)
        connection.execute(f"""
            COPY (SELECT i + 1 AS user_id, {pick(COUNTRIES, 'uniform(i, 1)')} AS country,
                         (18 + floor(35 * (uniform(i, 2) + uniform(i, 3))))::INTEGER AS age, {pick(GENDERS, 'uniform(i, 4)')} AS gender,
                         {pick(PLANS, 'uniform(i, 5)')} AS plan,
                         DATE '{TODAY}' - (1 + floor(1500 * uniform(i, 6)))::INTEGER AS signed_up_on
                  FROM range({users}) AS rows(i))
            TO '{data}/users.parquet' (FORMAT parquet, COMPRESSION zstd)""")
        first = 0
        for day, count in events_by_day(events, days):
            place = "events" if day < TODAY else "later"
            connection.execute(events_sql(users, day, first, count, f"{data}/{place}/{day}.parquet"))
            first += count
            progress(f"{day}: {count} events")


def events_by_day(events: int, days: int) -> list[tuple[date, int]]:
    """More on weekends, and a third more at the end than at the beginning; `events` before TODAY, and those of TODAY."""
    dates = [TODAY - timedelta(days=days - number) for number in range(days)]
    weights = [(1.25 if day.weekday() >= 5 else 1.0) * (1 + number / (3 * days)) for number, day in enumerate(dates)]
    ends = [round(events * sum(weights[: number + 1]) / sum(weights)) for number in range(days)]
    counts = [end - begin for begin, end in zip([0, *ends], ends)]
    return [*zip(dates, counts), (TODAY, counts[-1])]


def events_sql(users: int, day: date, first: int, count: int, path: str) -> str:
    """Few users do much: a user's rank is nearly the cube of a uniform number. Amounts have a long tail; evenings are busy."""
    active = max(users * (100 - DORMANT) // 100, 1)
    return f"""
        COPY (SELECT i + 1 AS event_id,
                     (floor({active} * (0.02 * uniform(i, 11) + 0.98 * pow(uniform(i, 11), 3)))::BIGINT * 611953) % {users} + 1 AS user_id,
                     TIMESTAMP '{day}' + to_microseconds(
                         (floor(43200e6 * (uniform(i, 12) + uniform(i, 13)) + 25200e6)::BIGINT % 86400000000)) AS happened_at,
                     {pick(KINDS, 'uniform(i, 14)')} AS kind,
                     (CASE WHEN kind = 'purchase' THEN floor(100 * (4 + 18 * uniform(i, 15) / (1.01 - uniform(i, 15)))) / 100
                           ELSE 0 END)::DECIMAL(12, 2) AS amount,
                     {pick(DEVICES, 'uniform(i, 16)')} AS device,
                     floor(50 * pow(uniform(i, 17), 2))::INTEGER AS category
              FROM range({first}, {first + count}) AS rows(i) ORDER BY happened_at)
        TO '{path}' (FORMAT parquet, COMPRESSION zstd)"""


def pick(shares: dict[str, int], uniform: str) -> str:
    """SQL that picks a name by its share in percent."""
    cases, total = "", 0
    for name, share in shares.items():
        total += share
        cases += f" WHEN {uniform} < {total / 100} THEN '{name}'"
    return f"(CASE{cases} ELSE '{next(reversed(shares))}' END)"


# The project.

def project(folder: Path) -> None:
    """Writes the workload as a Tranche project, beside the data."""
    root = folder / "project"
    shutil.rmtree(root, ignore_errors=True)
    pipeline = root / "pipelines" / "bench"

    def write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def columns(of: dict[str, str]) -> str:
        return "".join(f"  - {{name: {name}, type: '{kind}', nullable: false}}\n" for name, kind in of.items())

    write(root / "tranche.yaml", "version: 1\nlake: ./lake\ntimezone: UTC\n")
    write(root / "schemas" / "users.yaml",
          f"version: 1\ntable: users\nkind: entity\nentity: user\nkey: [user_id]\ncolumns:\n{columns(USERS)}")
    write(root / "schemas" / "events.yaml",
          "version: 1\ntable: events\nkind: event\nentity: {user: user_id}\nkey: [event_id]\nevent_time: happened_at\n"
          f"columns:\n{columns(EVENTS)}")
    for table, path in ("users", "users.parquet"), ("events", "events/*.parquet"):
        write(pipeline / "sources" / f"{table}.yaml",
              f"version: 1\nsource: {table}\ninto: {table}\nformat: parquet\npath: ../data/{path}\n")
    write(pipeline / "pipeline.yaml",
          "version: 1\npipeline: bench\nschedule: {cron: '0 2 * * *', timezone: UTC}\nsteps:\n"
          "  - {id: load, ingest: [users, events]}\n  - {id: segments, refresh: all, needs: [load]}\n")
    for segment in workload(folder).segments:
        write(pipeline / "segments" / f"{segment.name}.sql",
              f"/*---\nsegment: {segment.name}\nentity: user\ndescription: A segment of the family {segment.family}.\n"
              f"expect: {{not_empty: false}}\n---*/\n{segment.sql.format(as_of='as_of()')}\n")


def workload(folder: Path) -> Workload:
    made = json.loads((folder / "workload.json").read_text())
    return Workload(made["segments"], made["days"], made["seed"])


# The measurements.

def run_duckdb(folder: Path, mode: str, as_of: date, threads: int) -> dict:
    """Sizes of all segments by DuckDB, each by a query of its own or all by one."""
    work = workload(folder)
    files = [f"{folder}/data/events/*.parquet"] + ([f"{folder}/data/later/*.parquet"] if as_of > TODAY else [])

    def fill(sql: str) -> str:
        return sql.format(as_of=f"TIMESTAMP '{as_of}'")

    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}")
        connection.execute(f"CREATE VIEW users AS FROM read_parquet('{folder}/data/users.parquet')")
        connection.execute(fill(f"CREATE VIEW events AS FROM read_parquet({files}) WHERE happened_at < {{as_of}}"))
        begin = time.perf_counter()
        if mode == "fused":
            found = connection.execute(fill(work.fused())).fetchone()
            sizes = dict(zip((segment.name for segment in work.segments), found))
        else:
            sizes = {segment.name: connection.execute(f"SELECT count(*) FROM ({fill(segment.sql)})").fetchone()[0]
                     for segment in work.segments}
        seconds = time.perf_counter() - begin
    return {"engine": f"duckdb {duckdb.__version__}", "mode": mode, "as_of": str(as_of), "seconds": round(seconds, 3),
            "peak_bytes": peak_bytes(resource.getrusage(resource.RUSAGE_SELF)), "sizes": sizes}


def run_tranche(folder: Path, binary: str) -> list[dict]:
    """From an empty lake: loads and refreshes in full; then a day arrives, and is loaded and refreshed."""
    shutil.rmtree(folder / "project" / "lake", ignore_errors=True)
    arriving = folder / "data" / "later" / f"{TODAY}.parquet"
    arrived = folder / "data" / "events" / arriving.name
    arrived.unlink(missing_ok=True)
    try:
        full = refresh(folder, binary, "full", TODAY)
        shutil.copy(arriving, arrived)
        return [full, refresh(folder, binary, "next day", TOMORROW)]
    finally:
        arrived.unlink(missing_ok=True)


def refresh(folder: Path, binary: str, mode: str, as_of: date) -> dict:
    command = [binary, "--project", str(folder / "project"), "--format", "json"]
    run = subprocess.Popen([*command, "run", "bench", "--as-of", str(as_of)], stdout=subprocess.PIPE, text=True)
    output = run.stdout.read()
    _, status, usage = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode != 0:
        raise SystemExit(f"`{' '.join(run.args)}` failed with {run.returncode}: {output}")
    seconds = {step["id"]: step["seconds"] for step in json.loads(output)["steps"]}
    listed = json.loads(subprocess.run([*command, "segment", "list"], check=True, capture_output=True, text=True).stdout)
    return {"engine": "tranche", "mode": mode, "as_of": str(as_of), "seconds": seconds["segments"], "load_seconds": seconds["load"],
            "peak_bytes": peak_bytes(usage), "sizes": {segment["segment"]: segment["size"] for segment in listed}}


def peak_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def keep(folder: Path, result: dict) -> None:
    place = folder / "results"
    place.mkdir(exist_ok=True)
    name = f"{result['engine'].split()[0]}-{result['mode']}-{result['as_of']}.json".replace(" ", "-")
    (place / name).write_text(json.dumps(result, indent=1) + "\n")
    progress(f"{result['engine']}, {result['mode']}, as of {result['as_of']}: {result['seconds']} s")


def check(folder: Path) -> None:
    """Fails when two results for one day differ in a segment's size, or when there is nothing to compare."""
    by_day: dict[str, list[dict]] = {}
    for result in results(folder):
        by_day.setdefault(result["as_of"], []).append(result)
    differing = 0
    for day, (first, *others) in by_day.items():
        for other in others:
            for name in sorted(first["sizes"].keys() | other["sizes"].keys()):
                one, two = first["sizes"].get(name), other["sizes"].get(name)
                if one != two:
                    differing += 1
                    print(f"{day}, {name}: {one} by {first['engine']} ({first['mode']}), {two} by {other['engine']} ({other['mode']})")
    if differing or all(len(found) < 2 for found in by_day.values()):
        raise SystemExit(f"{differing} sizes differ" if differing else "there are no two results for one day")
    for day, found in by_day.items():
        sizes = found[0]["sizes"]
        progress(f"{day}: {len(sizes)} segments with {sum(sizes.values())} members, the same in {len(found)} results")


def results(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((folder / "results").glob("*.json"))]


def table(folder: Path) -> str:
    """What was measured, in Markdown, with each result's ratio to DuckDB's queries one by one for the same day."""
    names = {"each": "DuckDB, the queries one by one", "fused": "DuckDB, one query fused by hand", "full": "Tranche, a full refresh",
             "next day": "Tranche, the next day's refresh"}
    found = sorted(results(folder), key=lambda result: (result["as_of"], list(names).index(result["mode"])))
    base = {result["as_of"]: result["seconds"] for result in found if result["mode"] == "each"}
    lines = ["| what | as of | seconds | peak memory, GiB | against DuckDB one by one |", "|---|---|---|---|---|"]
    for result in found:
        each = base.get(result["as_of"])
        ratio = f"{each / result['seconds']:.1f}x" if each and result["mode"] != "each" else ""
        lines.append(f"| {names[result['mode']]} | {result['as_of']} | {result['seconds']:.1f} | {result['peak_bytes'] / 2**30:.2f} "
                     f"| {ratio} |")
    loads = [f"{result['load_seconds']:.1f} s ({result['mode']})" for result in found if "load_seconds" in result]
    return "\n".join(lines) + (f"\n\nTranche loads the tables first: {', '.join(loads)}." if loads else "")


def run(folder: Path, given: argparse.Namespace) -> None:
    """Everything. DuckDB runs in a process of its own for each measurement, so that its peak memory is its own."""
    generate(folder, given.users, given.events, given.days, given.segments, given.seed)
    project(folder)
    for as_of in TODAY, TOMORROW:
        for mode in "each", "fused":
            own = [sys.executable, __file__, "duckdb", str(folder), "--mode", mode, "--threads", str(given.threads)]
            subprocess.run([*own, "--as-of", str(as_of)], check=True)
    for result in run_tranche(folder, given.binary):
        keep(folder, result)
    check(folder)
    print(table(folder))


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("folder", metavar="DIR", type=lambda path: Path(path).resolve(), help="the benchmark's folder")
        return added

    def sized(parser: argparse.ArgumentParser) -> None:
        for name, default, meaning in (("users", 1_000_000, "users"), ("events", 40_000_000, "events before the first refresh"),
                                       ("days", 90, "days that they fall into"), ("segments", 100, "segments"),
                                       ("seed", 1, "which segments are drawn")):
            parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{meaning}; default: {default}")

    def threaded(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N", help="of DuckDB; default: all cores")

    def with_binary(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--binary", default="tranche", metavar="PATH", help="the program; default: tranche, from PATH")

    sized(command("generate", "make the data"))
    command("project", "write the workload as a Tranche project")
    peer = command("duckdb", "measure DuckDB")
    peer.add_argument("--mode", choices=["each", "fused"], default="each", help="query by query, or one query for all")
    peer.add_argument("--as-of", type=date.fromisoformat, choices=[TODAY, TOMORROW], default=TODAY, metavar="DAY",
                      help=f"{TODAY} or {TOMORROW}; default: the first")
    threaded(peer)
    with_binary(command("tranche", "measure Tranche: load, a full refresh, the next day's refresh"))
    command("check", "compare the sizes of all segments among the results")
    whole = command("run", "all of these, and a table of the results in Markdown")
    sized(whole)
    threaded(whole)
    with_binary(whole)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    match given.command:
        case "generate":
            generate(given.folder, given.users, given.events, given.days, given.segments, given.seed)
        case "project":
            project(given.folder)
        case "duckdb":
            keep(given.folder, run_duckdb(given.folder, given.mode, given.as_of, given.threads))
        case "tranche":
            for result in run_tranche(given.folder, given.binary):
                keep(given.folder, result)
        case "check":
            check(given.folder)
        case "run":
            run(given.folder, given)


if __name__ == "__main__":
    main()
