"""Three daemons on one lake, one of them killed every few seconds, and a look at what is there afterwards.

    cargo build --release -p tranche-cli
    python3 tests/night_shift.py target/release/tranche --seconds 300

A pipeline runs every two seconds: it loads the files that came, and refreshes a segment. A feeder writes a file of rows every second. At
the end everything is counted: each slot must have one fate and one object that says so, each slot that ran one refresh in
the segment's history, and each row of each file must be in the table once. With `--lake s3://bucket/path` the lake is there, with
credentials from the environment.
"""

import argparse
import collections
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = {
    "tranche.yaml": "version: 1\nlake: ./lake\n",
    "schemas/events.yaml": """version: 1
table: events
kind: event
entity: {customer: customer_id}
key: [event_id]
event_time: at
columns:
  - {name: event_id, type: utf8, nullable: false}
  - {name: customer_id, type: utf8, nullable: false}
  - {name: at, type: 'timestamp(us, UTC)', nullable: false}
""",
    "schemas/customers.yaml": """version: 1
table: customers
kind: entity
entity: customer
key: [customer_id]
history: latest
columns:
  - {name: customer_id, type: utf8, nullable: false}
""",
    "pipelines/shift/pipeline.yaml": """version: 1
pipeline: shift
schedule: {cron: '*/2 * * * * *', timezone: UTC, catchup: all, overlap: skip}
steps:
  - {id: load, ingest: [customers, events], retries: {max: 3, backoff: 1s}}
  - {id: segments, refresh: all, needs: [load], retries: {max: 3, backoff: 1s}}
""",
    "pipelines/shift/sources/customers.yaml": "version: 1\nsource: customers\ninto: customers\nformat: csv\npath: raw/customers.csv\n",
    "pipelines/shift/sources/events.yaml": "version: 1\nsource: events\ninto: events\nformat: csv\npath: raw/events/*.csv\n",
    "pipelines/shift/segments/active.sql": """/*---
segment: active
entity: customer
---*/
SELECT customer_id FROM events
""",
}


def write_project(folder):
    for path, text in PROJECT.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "raw/events").mkdir(parents=True)
    (folder / "raw/customers.csv").write_text("customer_id\n" + "".join(f"c{n}\n" for n in range(100)))


class Feeder:
    """Writes files of rows, each under its name only when it is whole."""

    def __init__(self, folder):
        self.folder, self.files, self.rows = folder, 0, 0

    def write(self):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
        lines = [f"e{self.rows + n},c{random.randrange(100)},{now}\n" for n in range(10)]
        part = self.folder / "raw/events.part"
        part.write_text("event_id,customer_id,at\n" + "".join(lines))
        part.rename(self.folder / f"raw/events/{self.files:06}.csv")
        self.files, self.rows = self.files + 1, self.rows + 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tranche", help="the program")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--kill-every", type=int, default=10)
    parser.add_argument("--daemons", type=int, default=3)
    parser.add_argument("--lease", default="5s")
    parser.add_argument("--lake", help="instead of a folder")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="tranche-night-shift-"))
    write_project(folder)
    command = [str(Path(arguments.tranche).resolve()), "--project", str(folder)]
    if arguments.lake:
        command += ["--lake", arguments.lake]

    def tranche(*rest):
        done = subprocess.run([*command, *rest], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"tranche {' '.join(rest)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if "json" in rest else done.stdout

    log = open(folder / "daemons.log", "w", encoding="utf-8")

    def start():
        rest = ["schedule", "--lease", arguments.lease, "--max-runs", "2", "--drain", "2m"]
        return subprocess.Popen([*command, *rest], stdout=log, stderr=log)

    feeder = Feeder(folder)
    feeder.write()
    tranche("check")
    begun = time.time()
    daemons = [start() for _ in range(arguments.daemons)]
    kills, next_kill = 0, begun + arguments.kill_every
    while time.time() < begun + arguments.seconds:
        time.sleep(1)
        feeder.write()
        if time.time() >= next_kill:
            place = random.randrange(len(daemons))
            daemons[place].send_signal(signal.SIGKILL)
            daemons[place].wait()
            daemons[place] = start()
            kills, next_kill = kills + 1, next_kill + arguments.kill_every

    # No more files, no more kills: what is open comes to its end, then the daemons are asked to end.
    tranche("schedule", "pause", "shift")
    patience = time.time() + 300
    time.sleep(15)
    while any(run["status"] == "running" for run in tranche("runs", "--format", "json", "--limit", "100000")):
        if time.time() > patience:
            sys.exit("runs did not come to their end")
        time.sleep(2)
    for daemon in daemons:
        daemon.send_signal(signal.SIGTERM)
    for daemon in daemons:
        daemon.wait()
    end = time.time()
    # What came after the last slot is loaded by hand, beside the slots.
    tranche("run", "shift")

    span = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (begun - 60, end - 10)]
    slots = tranche("schedule", "explain", "--from", span[0], "--to", span[1], "--format", "json")
    slots = [slot for slot in slots if slot["fate"] != "before"]
    fates = collections.Counter(slot["fate"] for slot in slots)
    statuses = collections.Counter(slot["reason"] for slot in slots if slot["fate"] == "run")
    problems = []
    undecided = [slot["slot"] for slot in slots if slot["fate"] in ("due", "future")]
    if undecided:
        problems.append(f"slots without a fate: {undecided[:5]}")
    if set(statuses) - {"done"}:
        problems.append(f"runs that are not done: {dict(statuses)}")
    run_ids = [slot["run_id"] for slot in slots if slot["run_id"]]
    runs = [run for run in tranche("runs", "--format", "json", "--limit", "100000") if run["run_id"] and run["slot"]]
    if len(set(run_ids)) != len(run_ids) or {run["run_id"] for run in runs} - set(run_ids):
        problems.append("runs that no slot asked for, or that two slots share")
    refreshes = tranche("sql", "SELECT as_of, count(*) AS n FROM segment_history GROUP BY as_of", "--format", "json")
    doubled = [row for row in refreshes if row["n"] != 1]
    ran = {slot["slot"] for slot in slots if slot["fate"] == "run"}
    if doubled or len(refreshes) != len(ran) + 1:
        problems.append(f"{len(ran)} slots ran and one run was by hand, and there are {len(refreshes)} refreshes; doubled: {doubled}")
    query = "SELECT count(*) AS n, count(DISTINCT event_id) AS distinct_n FROM events"
    [events] = tranche("sql", query, "--format", "json")
    if (events["n"], events["distinct_n"]) != (feeder.rows, feeder.rows):
        problems.append(f"{feeder.rows} rows were written, and the table has {events}")

    print(f"{kills} kills in {arguments.seconds} s, {arguments.daemons} daemons")
    print(f"{len(slots)} slots: {dict(fates)}; runs: {dict(statuses)}")
    print(f"{feeder.files} files with {feeder.rows} rows; in the table: {events['n']} rows, {events['distinct_n']} distinct")
    print(f"{len(refreshes)} refreshes for {len(ran)} slots that ran and one run by hand")
    resumed = (folder / "daemons.log").read_text().count("attempt 2")
    print(f"steps that were begun again: {resumed}")
    if problems:
        sys.exit("\n".join(["", *problems, f"the project is in {folder}"]))
    shutil.rmtree(folder)
    print("lost 0, doubled 0")


if __name__ == "__main__":
    main()
