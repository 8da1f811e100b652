#!/usr/bin/env python3
"""Two real experiments, measured by Tranche and by its peers: gbstats, tea-tasting, spotify-confidence and statsmodels.

DATA is a folder with `hillstrom/hillstrom.csv` (the MineThatData e-mail challenge) and `cookie_cats/cookie_cats.csv` (a mobile game's
gate at level 30 or 40). Tranche measures each through a whole project, from the raw file on, and through `tranche stats`.

A row that is not the same as Tranche's project to nine digits names why, by a letter; docs/comparison.md says what the letters mean. Each
such row is made again here, from the data and by the one choice that the letter names, and must come out the same: the program fails
when a difference has no reason, or when its reason does not explain it. It prints Markdown.

example:
  python3 -m venv /tmp/peers
  /tmp/peers/bin/pip install gbstats==0.8.0 tea-tasting==1.14.0 spotify-confidence==4.1.0 statsmodels==0.15.0 'pyarrow<22'
  cargo build --release -p tranche-cli
  /tmp/peers/bin/python benchmarks/peers.py DATA --binary target/release/tranche
"""
from __future__ import annotations

import argparse
import math
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

warnings.filterwarnings("ignore")

import tea_tasting as tea
from gbstats.utils import check_srm
from peer.formulas import Arm, Case, Row
from peer.tools import COLUMNS, by_gbstats, by_spotify, by_statsmodels, by_tea_tasting
from peer.tranche import ours_by_project, ours_by_stats, projects
from spotify_confidence.analysis.frequentist.t_test import StudentsTTest


def cases(data: Path) -> list[Case]:
    mail = pd.read_csv(data / "hillstrom" / "hillstrom.csv")
    game = pd.read_csv(data / "cookie_cats" / "cookie_cats.csv")

    def arms(frame: pd.DataFrame, by: str, names: tuple[str, str], *columns: str | None) -> list[Arm]:
        return [Arm(*(None if column is None else frame.loc[frame[by] == name, column].to_numpy(float) for column in columns))
                for name in names]

    made = []
    spend = ("spend", "mean", "email", "spend")
    others = [("visit", "proportion", "email", "visit"), ("conversion", "proportion", "email", "conversion"),
              ("spend_per_visitor", "ratio", "email", "spend", "visit"), ("amount", "mean_cuped", "email_cuped", "spend", None, "history")]
    for variant, measured in (("Mens E-Mail", [spend, *others]), ("Womens E-Mail", [spend])):
        for metric, kind, experiment, *columns in measured:
            title = f"Hillstrom, {variant}: {'spend, past spending taken out' if kind == 'mean_cuped' else metric}"
            found = arms(mail, "segment", ("No E-Mail", variant), *columns)
            made.append(Case(title, "hillstrom", experiment, metric, variant, kind, *found))
    game = game.assign(rounds=game.sum_gamerounds, rounds_capped=game.sum_gamerounds.clip(upper=3000))
    for metric, kind in (("retention_1", "proportion"), ("retention_7", "proportion"), ("rounds", "mean"), ("rounds_capped", "mean")):
        made.append(Case(f"Cookie Cats, gate_40: {metric}", "cookie_cats", "gate", metric, "gate_40", kind,
                         *arms(game, "version", ("gate_30", "gate_40"), metric)))
    return made


def table(case: Case, rows: list[Row], wrong: list[str]) -> str:
    """One line for each answer to each question, with all tools that give it; what is not as it should be is added to `wrong`."""
    lines = [f"### {case.title}", "", "| question | tools | effect | 95 % interval | p, or chance to win | differs by |",
             "|---|---|---|---|---|---|"]
    for question in dict.fromkeys(row.question for row in rows):
        group = [row for row in rows if row.question == question]
        for row in group:
            where = f"{case.title}, {row.question}, {row.tool}"
            if not row.reason and not row.answer.same(group[0].answer):
                wrong.append(f"{where}: {row.answer} is not {group[0].answer}, and no reason is given")
            if row.explained is not None and not row.answer.same(row.explained, row.tolerance):
                wrong.append(f"{where}: {row.answer} is not {row.explained}, which the reason {row.reason or 'none'} gives")
        told = question
        while group:
            first = group[0]
            agreeing = [row for row in group if row.answer.same(first.answer)]
            group = [row for row in group if row not in agreeing]
            chance = "" if first.answer.chance is None else f"{first.answer.chance:.6g}"
            reason = "" if told else ", ".join(first.reason)
            lines.append(f"| {told} | {'; '.join(row.tool for row in agreeing)} | {first.answer.effect:.8f} "
                         f"| {first.answer.low:.8f} … {first.answer.high:.8f} | {chance} | {reason} |")
            told = ""
    return "\n".join(lines)


def ratios(shown: dict, wrong: list[str]) -> str:
    """The check of the sample ratio, by every tool that has one."""
    lines = ["### Sample ratio", "", "| data | tool | p | differs |", "|---|---|---|---|"]
    for scenario, experiment in (("hillstrom", "email"), ("cookie_cats", "gate")):
        found = shown[scenario, experiment]["srm"]
        users = [variant["count"] for variant in found["observed"]]
        frame, share = pd.DataFrame({"arm": [str(i) for i in range(len(users))], "n": users, "s": users, "q": users}), 1 / len(users)
        spotify = StudentsTTest(frame, **COLUMNS)
        rows = [("Tranche, project", found["p"], "", None), ("gbstats", check_srm(users, [share] * len(users)), "", None),
                ("spotify-confidence", spotify.sample_ratio_test({arm: share for arm in frame["arm"]})[0], "", None),
                ("SciPy, chisquare (statsmodels has none)", stats.chisquare(users).pvalue, "", None)]
        if len(users) == 2:
            variant = np.repeat([0, 1], users)
            p = tea.Experiment({"it": tea.SampleRatio()}).analyze(pd.DataFrame({"variant": variant}), control=0)["it"].pvalue
            again = 2 * stats.norm.sf((abs(users[1] - sum(users) / 2) - 0.5) / math.sqrt(sum(users) / 4))
            rows.append(("tea-tasting", p, "g", again))
        for tool, p, reason, again in rows:
            if abs(p - (rows[0][1] if again is None else again)) > 1e-9:
                wrong.append(f"sample ratio of {scenario} by {tool} is {p}")
            lines.append(f"| {scenario} | {tool} | {p:.10f} | {reason} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA", type=lambda path: Path(path).resolve(), help="the folder of the data sets")
    parser.add_argument("--binary", default="tranche", metavar="PATH", help="the program; default: tranche, from PATH")
    given = parser.parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        shown = projects(given.data, given.binary, Path(folder))
    print(", ".join(f"{package} {version(package)}" for package in ("gbstats", "tea-tasting", "spotify-confidence", "statsmodels")) + "\n")
    compared = 0
    for case in cases(given.data):
        rows = ours_by_project(case, shown) + ours_by_stats(case, given.binary)
        for peer in by_gbstats, by_tea_tasting, by_spotify, by_statsmodels:
            rows += peer(case)
        compared += len(rows)
        print(table(case, rows, wrong) + "\n")
    print(ratios(shown, wrong))
    print(f"{compared} rows, {len(wrong)} without an explanation", *wrong, sep="\n", file=sys.stderr)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
