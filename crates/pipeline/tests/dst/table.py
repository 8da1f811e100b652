"""Writes table.csv: slots around changes of the clock, worked out with Python's zoneinfo from the written rule alone.

The rule: a slot is the first instant at which the local clock has come to a time that the schedule names, or beyond it. No cron
expression is parsed here: which local times each of them names is written out below.

    python3 crates/pipeline/tests/dst/table.py
"""

import csv
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

UTC = timezone.utc
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
FIRST, LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

# The expression, the local times that it names, and how far around a change it is looked at (None: all three years).
SCHEDULES = [
    ("30 2 * * *", lambda t: (t.hour, t.minute) == (2, 30), timedelta(days=3)),
    ("0 2 * * *", lambda t: (t.hour, t.minute) == (2, 0), timedelta(days=3)),
    ("0 * * * *", lambda t: t.minute == 0, timedelta(hours=14)),
    ("*/15 * * * *", lambda t: t.minute % 15 == 0, timedelta(hours=5)),
    ("15 2 1 * *", lambda t: (t.day, t.hour, t.minute) == (1, 2, 15), None),
    ("45 1 L * *", lambda t: (t + timedelta(days=1)).day == 1 and (t.hour, t.minute) == (1, 45), None),
]


def offset(zone, instant):
    return instant.astimezone(zone).utcoffset()


def changes(zone):
    """Instants at which the zone's offset changes, to the minute."""
    instant = FIRST
    while instant < LAST:
        later = instant + timedelta(days=1)
        if offset(zone, instant) != offset(zone, later):
            low, high = instant, later
            while high - low > MINUTE:
                middle = low + (high - low) // 2 // MINUTE * MINUTE
                low, high = (middle, high) if offset(zone, middle) == offset(zone, low) else (low, middle)
            yield high
        instant = later


def shown(zone, instant):
    return instant.astimezone(zone).replace(tzinfo=None)


def walk(zone, names, begin, end):
    """Every minute from `begin` to `end`: a slot is where the clock comes to a named time, or jumps over one."""
    reached = shown(zone, begin - MINUTE)
    # Times that the clock came to before `begin`, if it was set back since.
    for earlier in range(1, 24 * 60):
        reached = max(reached, shown(zone, begin - earlier * MINUTE))
    instant = begin
    while instant < end:
        now = shown(zone, instant)
        comes_to = []
        while reached < now:
            reached += MINUTE
            if names(reached):
                comes_to.append(reached)
        if comes_to:
            local = instant.astimezone(zone)
            twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
            kind = "overlap" if twice else "gap" if any(time != now for time in comes_to) else "normal"
            yield instant, now, kind
        instant += MINUTE


def main():
    with open(Path(__file__).with_name("table.csv"), "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["zone", "cron", "slot", "local", "dst"])
        for name in ZONES:
            zone = ZoneInfo(name)
            for cron, names, around in SCHEDULES:
                spans = [(FIRST, LAST)] if around is None else [(at - around, at + around) for at in changes(zone)]
                for begin, end in spans:
                    for slot, local, kind in walk(zone, names, begin, end):
                        table.writerow([name, cron, slot.strftime("%Y-%m-%dT%H:%M:%SZ"), local.isoformat(), kind])


if __name__ == "__main__":
    main()
