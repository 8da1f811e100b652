#!/usr/bin/env python3
"""Measuring experiments, against DuckDB: ten metrics with their values before exposure, for everyone and by sixteen segments.

DIR is made by `generate` and holds everything: the data of `segments.py`, `exposures.parquet`, a Tranche project and `results/`
(JSON, one file a measurement). Half of the users were exposed, over ten days, to one of two variants. DuckDB asks one query for each
way to break the metrics down, as tools on a warehouse do, and then builds the table of units once and asks for all groups of it, as an
expert would by hand. Tranche loads the tables and measures; then the events of one more day arrive, and it measures again from what it
kept, and in full. Then it does all that with as many experiments at once as `--experiments` says, over the same facts: first with the same
windows, then each with a conversion window and a lookback of its own.

With `--exposed-ago 9` units are exposed up to the last day, so that on the next one some are new and all windows are open.

Every result has the number of units, the mean and the variance of each metric in each segment and variant; `check` compares those of a
day.

example:
  pip install duckdb
  cargo build --release -p tranche-cli
  python3 benchmarks/experiments.py run /tmp/experiments --binary target/release/tranche
  python3 benchmarks/experiments.py run /tmp/small --users 20000 --events 400000 --days 70 --binary target/release/tranche
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb

import segments
from segments import TODAY, TOMORROW, peak_bytes, progress

# Units are exposed over ten days, from so many days before today on; every window is closed today unless another number is asked for.
EXPOSED_AGO, EXPOSED_DAYS, WINDOW, LOOKBACK = 40, 10, 14, 28
# By metric: what is aggregated, and over which events.
FACTS = {"orders": ("count(*)", "kind = 'purchase'"), "revenue": ("sum(amount)", "kind = 'purchase'"),
         "views": ("count(*)", "kind = 'view'"), "searches": ("count(*)", "kind = 'search'"),
         "carts": ("count(*)", "kind = 'cart'"), "email_opens": ("count(*)", "kind = 'email_open'")}
PROPORTIONS = {"converted": "kind = 'purchase'", "active": "true"}
RATIOS = {"revenue_per_order": ("revenue", "orders"), "views_per_search": ("views", "searches")}
SETS = ["country", "plan", "gender"]
# A variance is compared as a number of this size at least.
TOLERANCE = 1e-9


# The data and the project.

def exposed_from(folder: Path) -> date:
    return date.fromisoformat((folder / "exposed_from").read_text())


def generate(folder: Path, users: int, events: int, days: int, ago: int) -> None:
    segments.generate(folder, users, events, days, 1, 1)
    (folder / "exposed_from").write_text(f"{TODAY - timedelta(days=ago)}")
    with duckdb.connect() as connection:
        connection.execute(f"""
            COPY (SELECT user_id, CASE WHEN hash(user_id * 61) % 2 = 0 THEN 'control' ELSE 'treatment' END AS variant,
                         TIMESTAMP '{exposed_from(folder)}' + to_seconds((hash(user_id * 67) % {EXPOSED_DAYS * 86400})::INTEGER) AS exposed_at
                  FROM read_parquet('{folder}/data/users.parquet') WHERE hash(user_id * 71) % 2 = 0 ORDER BY exposed_at)
            TO '{folder}/data/exposures.parquet' (FORMAT parquet, COMPRESSION zstd)""")


def project(folder: Path, experiments: int, alike: bool = False) -> None:
    """Writes the experiment as a Tranche project, and with more of them others over the same facts, `alike` but for their names."""
    segments.project(folder)
    root, begin = folder / "project", exposed_from(folder)
    pipeline = root / "pipelines" / "bench"
    shutil.rmtree(pipeline / "segments")

    def write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"version: 1\n{text}")

    # Beside the project, so that tables are loaded once.
    write(root / "tranche.yaml", "lake: ../lake\ntimezone: UTC\n")
    write(root / "schemas" / "exposures.yaml",
          "table: exposures\nkind: event\nentity: {user: user_id}\nkey: [user_id]\nevent_time: exposed_at\ncolumns:\n"
          "  - {name: user_id, type: int64, nullable: false}\n  - {name: variant, type: utf8, nullable: false}\n"
          "  - {name: exposed_at, type: 'timestamp(us, UTC)', nullable: false}\n")
    write(pipeline / "sources" / "exposures.yaml",
          "source: exposures\ninto: exposures\nformat: parquet\npath: ../data/exposures.parquet\n")
    for name in SETS:
        path = pipeline / "segments" / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"/*---\nsegment_set: {name}\nentity: user\n---*/\nSELECT user_id, {name} FROM users\n")

    def metric(name: str, text: str) -> None:
        write(pipeline / "metrics" / f"{name}.yaml", f"metric: {name}\n{text}\n")

    for name, (aggregate, condition) in FACTS.items():
        made = "aggregate: count" if aggregate == "count(*)" else f"value: {aggregate[4:-1]}, aggregate: sum"
        metric(name, f"type: mean\nfact: {{table: events, {made}, where: \"{condition}\"}}")
    for name, condition in PROPORTIONS.items():
        metric(name, f"type: proportion\nfact: {{table: events, where: \"{condition}\"}}")
    for name, (numerator, denominator) in RATIOS.items():
        metric(name, f"type: ratio\nnumerator: {numerator}\ndenominator: {denominator}")
    for number in range(experiments):
        name = "bench" if number == 0 else f"bench_{number:02d}"
        # With windows of their own, the facts of one are not those of another.
        window, lookback = (WINDOW, LOOKBACK) if alike else (WINDOW + (number % 5 if number else 0), LOOKBACK - number)
        write(pipeline / "experiments" / f"{name}.yaml",
              f"experiment: {name}\nhypothesis: None.\nentity: user\nexposure: {{table: exposures, variant: variant}}\n"
              "variants: {control: 0.5, treatment: 0.5}\ncontrol: control\n"
              f"period: {{from: {begin}, to: {begin + timedelta(days=EXPOSED_DAYS)}}}\n"
              f"conversion_window: {window} days\nmetrics: {{goal: [{', '.join([*FACTS, *PROPORTIONS, *RATIOS])}]}}\n"
              f"segments: [{', '.join(f'{of}/*' for of in SETS)}]\n"
              f"statistics: {{alpha: 0.05, inference: fixed, cuped: {{lookback: {lookback} days}}}}\n")
    write(pipeline / "pipeline.yaml",
          "pipeline: bench\nsteps:\n  - {id: load, ingest: [users, events, exposures]}\n"
          "  - {id: tests, measure: all, needs: [load]}\n")


# The measurements.

def units_sql(folder: Path) -> str:
    """One row a unit: its variant and segments, and each metric after exposure and before."""
    after = f"happened_at >= exposed_at AND happened_at < exposed_at + INTERVAL {WINDOW} DAY"
    exposures = f"(FROM read_parquet('{folder}/data/exposures.parquet') WHERE exposed_at < DATE '{TODAY}')"
    before = f"happened_at < exposed_at AND happened_at >= exposed_at - INTERVAL {LOOKBACK} DAY"
    columns = [f"coalesce({aggregate} FILTER (WHERE {window} AND {condition}), 0)::DOUBLE AS {name}{suffix}"
               for suffix, window in (("", after), ("_before", before)) for name, (aggregate, condition) in FACTS.items()]
    columns += [f"(count(*) FILTER (WHERE {window} AND {condition}) > 0)::INTEGER::DOUBLE AS {name}{suffix}"
                for suffix, window in (("", after), ("_before", before)) for name, condition in PROPORTIONS.items()]
    return (f"SELECT x.user_id, variant, {', '.join(SETS)}, {', '.join(columns)}\n"
            f"FROM {exposures} AS x JOIN read_parquet('{folder}/data/users.parquet') AS u USING (user_id)\n"
            f"LEFT JOIN read_parquet('{folder}/data/events/*.parquet') AS e ON e.user_id = x.user_id\n"
            f"  AND happened_at >= exposed_at - INTERVAL {LOOKBACK} DAY AND happened_at < exposed_at + INTERVAL {WINDOW} DAY\n"
            "GROUP BY ALL")


def statistics_sql() -> str:
    """What an estimate with its covariate is made of. The first columns are those that are compared."""
    both = [*FACTS, *PROPORTIONS]
    columns = [f"avg({name}), var_samp({name})" for name in both]
    columns += [f"avg({name}_before), var_samp({name}_before), covar_samp({name}, {name}_before)" for name in both]
    columns += [f"covar_samp({above}, {below})" for above, below in RATIOS.values()]
    return ", ".join(["count(*)", *columns])


def run_duckdb(folder: Path, mode: str, threads: int) -> dict:
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}")
        begin = time.perf_counter()
        if mode == "fused":
            connection.execute(f"CREATE TEMP TABLE units AS {units_sql(folder)}")
            groups = ", ".join(["(variant)", *(f"(variant, {of})" for of in SETS)])
            found = connection.execute(f"SELECT variant, {', '.join(SETS)}, {statistics_sql()} FROM units "
                                       f"GROUP BY GROUPING SETS ({groups})").fetchall()
            rows = [(row[0], next((f"{of}/{label}" for of, label in zip(SETS, row[1:]) if label is not None), "all"), row[4:])
                    for row in found]
        else:
            rows = []
            for of in ["all", *SETS]:
                label = "'all'" if of == "all" else f"'{of}/' || {of}"
                found = connection.execute(f"SELECT variant, {label} AS segment, {statistics_sql()} FROM ({units_sql(folder)}) GROUP BY ALL")
                rows += [(row[0], row[1], row[2:]) for row in found.fetchall()]
        seconds = time.perf_counter() - begin
    moments = {f"{metric}|{segment}|{variant}": [values[0], values[1 + 2 * place], values[2 + 2 * place]]
               for variant, segment, values in rows for place, metric in enumerate([*FACTS, *PROPORTIONS])}
    return {"engine": f"duckdb {duckdb.__version__}", "mode": mode, "as_of": str(TODAY), "seconds": round(seconds, 3),
            "peak_bytes": peak_bytes(resource.getrusage(resource.RUSAGE_SELF)), "moments": moments}


def run_tranche(folder: Path, binary: str, experiments: int, alike: bool) -> list[dict]:
    """Measures today, and tomorrow from what was kept and in full; loads first what is not loaded."""
    project(folder, experiments, alike)
    for kept in "_state", "estimates", "estimate_series":
        shutil.rmtree(folder / "lake" / kept, ignore_errors=True)
    what = f"{experiments} experiments {'alike' if alike else 'with windows of their own'}" if experiments > 1 else "one experiment"
    today = measure(folder, binary, what, TODAY)
    later = folder / "data" / "later" / f"{TODAY}.parquet"
    shutil.copy(later, folder / "data" / "events")
    try:
        return [today, measure(folder, binary, f"{what}, the next day", TOMORROW),
                measure(folder, binary, f"{what}, the next day in full", TOMORROW, "--full")]
    finally:
        (folder / "data" / "events" / later.name).unlink()


def measure(folder: Path, binary: str, mode: str, as_of: date, *options: str) -> dict:
    command = [binary, "--project", str(folder / "project"), "--format", "json"]
    run = subprocess.Popen([*command, "run", "bench", "--as-of", str(as_of), *options], stdout=subprocess.PIPE, text=True)
    output = run.stdout.read()
    _, status, usage = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode != 0:
        raise SystemExit(f"`{' '.join(run.args)}` failed with {run.returncode}: {output}")
    steps = {step["id"]: step for step in json.loads(output)["steps"]}
    shown = subprocess.run([*command, "experiment", "show", "bench", "--as-of", str(as_of)], check=True, capture_output=True, text=True).stdout
    return {"engine": "tranche", "mode": mode, "as_of": str(as_of), "seconds": steps["tests"]["seconds"],
            "load_seconds": steps["load"]["seconds"], "facts": steps["tests"]["detail"]["facts"], "peak_bytes": peak_bytes(usage),
            "moments": of_estimates(json.loads(shown))}


def of_estimates(shown: dict) -> dict[str, list]:
    """Number of units, mean and variance by metric, segment and variant, from what `experiment show` prints."""
    moments = {}
    for row in shown["estimates"]:
        if row["metric"] not in RATIOS:
            name = f"{row['metric']}|{row['segment']}"
            moments[f"{name}|{row['variant']}"] = [row["n"], row["mean"], row["variance"]]
            moments[f"{name}|{shown['control']}"] = [row["control_n"], row["control_mean"], row["control_variance"]]
    return moments


def keep(folder: Path, result: dict) -> None:
    place = folder / "results"
    place.mkdir(exist_ok=True)
    name = f"{result['engine'].split()[0]}-{result['mode'].replace(',', '').replace(' ', '-')}.json"
    (place / name).write_text(json.dumps(result, indent=1) + "\n")
    rows = "".join(f", {read['rows_read']} rows of {read['table']}" for read in result.get("facts", []))
    progress(f"{result['engine']}, {result['mode']}: {result['seconds']} s{rows}")


def check(folder: Path) -> None:
    """Fails when two results of a day differ, or when there is nothing to compare."""
    found = segments.results(folder)
    if len(found) < 2:
        raise SystemExit("there are no two results")

    def same(one: list | None, two: list | None) -> bool:
        close = lambda a, b: abs(a - b) <= TOLERANCE * max(1, abs(a))
        return bool(one and two) and one[0] == two[0] and close(one[1], two[1]) and close(one[2], two[2])

    for day in sorted({result["as_of"] for result in found}):
        first, *others = [result for result in found if result["as_of"] == day]
        differing = [(name, first["moments"].get(name), other["moments"].get(name), other["engine"], other["mode"])
                     for other in others for name in sorted(first["moments"].keys() | other["moments"].keys())
                     if not same(first["moments"].get(name), other["moments"].get(name))]
        for difference in differing[:20]:
            print(*difference)
        if differing:
            raise SystemExit(f"{len(differing)} numbers of {day} differ")
        progress(f"{day}: {len(first['moments'])} groups have the same number, mean and variance in {len(others) + 1} results")


def table(folder: Path) -> str:
    """What was measured, in Markdown, with each result's ratio to DuckDB's query for each breakdown."""
    found = sorted(segments.results(folder), key=lambda result: -result["seconds"])
    base = next((result["seconds"] for result in found if result["mode"] == "each"), None)
    names = {"each": "DuckDB, a query for each breakdown", "fused": "DuckDB, fused by hand"}
    lines = ["| what | seconds | peak memory, GiB | against a query for each breakdown |", "|---|---|---|---|"]
    for result in found:
        ratio = f"{base / result['seconds']:.1f}x" if base and result["mode"] != "each" else ""
        name = names.get(result["mode"], f"Tranche, {result['mode']}")
        lines.append(f"| {name} | {result['seconds']:.1f} | {result['peak_bytes'] / 2**30:.2f} | {ratio} |")
    return "\n".join(lines)


def run(folder: Path, given: argparse.Namespace) -> None:
    """Everything. DuckDB runs in a process of its own for each measurement, so that its peak memory is its own."""
    generate(folder, given.users, given.events, given.days, given.exposed_ago)
    project(folder, 1)
    for mode in "each", "fused":
        subprocess.run([sys.executable, __file__, "duckdb", str(folder), "--mode", mode, "--threads", str(given.threads)], check=True)
    shutil.rmtree(folder / "lake", ignore_errors=True)
    for experiments, alike in (1, True), (given.experiments, True), (given.experiments, False):
        for result in run_tranche(folder, given.binary, experiments, alike):
            keep(folder, result)
    check(folder)
    print(table(folder))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("folder", metavar="DIR", type=lambda path: Path(path).resolve(), help="the benchmark's folder")
        return added

    def number(parser: argparse.ArgumentParser, name: str, default: int, meaning: str) -> None:
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{meaning}; default: {default}")

    def sized(parser: argparse.ArgumentParser) -> None:
        number(parser, "users", 1_000_000, "users")
        number(parser, "events", 40_000_000, "events before the measurement")
        number(parser, "days", 90, "days that they fall into")
        number(parser, "exposed-ago", EXPOSED_AGO, "days before the measurement on which the first units are exposed")

    sized(command("generate", "make the data"))
    number(command("project", "write the experiment as a Tranche project"), "experiments", 1, "how many")
    peer = command("duckdb", "measure DuckDB")
    peer.add_argument("--mode", choices=["each", "fused"], default="each", help="a query for each breakdown, or one table of units")
    number(peer, "threads", os.cpu_count() or 1, "of DuckDB")
    own = command("tranche", "measure Tranche: today, the next day, and that in full")
    own.add_argument("--binary", default="tranche", metavar="PATH", help="the program; default: tranche, from PATH")
    number(own, "experiments", 1, "how many")
    own.add_argument("--alike", action="store_true", help="all with the same windows")
    command("check", "compare all results")
    whole = command("run", "all of these, and a table of the results in Markdown")
    sized(whole)
    number(whole, "threads", os.cpu_count() or 1, "of DuckDB")
    number(whole, "experiments", 20, "how many are measured at once, after one")
    whole.add_argument("--binary", default="tranche", metavar="PATH", help="the program; default: tranche, from PATH")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    match given.command:
        case "generate":
            generate(given.folder, given.users, given.events, given.days, given.exposed_ago)
        case "project":
            project(given.folder, given.experiments)
        case "duckdb":
            keep(given.folder, run_duckdb(given.folder, given.mode, given.threads))
        case "tranche":
            for result in run_tranche(given.folder, given.binary, given.experiments, given.alike):
                keep(given.folder, result)
        case "check":
            check(given.folder)
        case "run":
            run(given.folder, given)


if __name__ == "__main__":
    main()
