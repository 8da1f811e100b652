"""What Tranche says of a case: through a whole project from the raw files on, and through `tranche stats`."""
from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from .formulas import (PRIORS, TUNING, Z, Answer, Arm, Case, Row, confidence_sequence, cumulative, delta, fieller, moments, posterior,
                       sequential_fieller, welch)

SCENARIOS = Path(__file__).resolve().parents[2] / "tests" / "scenarios"
# What is asked by which inference; `""` is the experiment of the scenario, the others are written beside it.
SUFFIXES = {"": "", "sequential": ", at any look", "flat": ", flat prior", "prior": ", prior N(0, 0.3²) on the lift"}
STATISTICS = {
    "sequential": f"{{inference: sequential, tuning: {TUNING}",
    "flat": "{inference: bayes, prior: flat",
    "prior": "{inference: bayes, prior: {relative: {mean: 0, sd: 0.3}}",
}


def projects(data: Path, binary: str, folder: Path) -> dict[tuple[str, str], dict]:
    """Runs both scenarios from their raw files, with an experiment more for each inference; what each showed."""
    shown = {}
    for scenario, pipeline, as_of, names in (("hillstrom", "email", "2008-05-01", ["email", "email_cuped"]),
                                             ("cookie_cats", "gate", "2017-02-01", ["gate"])):
        project = folder / scenario
        shutil.copytree(SCENARIOS / scenario / "project", project)
        (project / "data").symlink_to(data)
        experiments = project / "pipelines" / pipeline / "experiments"
        for name in list(names):
            text = (experiments / f"{name}.yaml").read_text()
            for inference, statistics in STATISTICS.items():
                other = text.replace(f"experiment: {name}\n", f"experiment: {name}_{inference}\n")
                other = other.replace("{alpha: 0.05, inference: fixed", statistics)
                (experiments / f"{name}_{inference}.yaml").write_text(other)
                names.append(f"{name}_{inference}")
        tranche(binary, ["--project", str(project), "run", pipeline, "--as-of", as_of])
        for name in names:
            shown[scenario, name] = json.loads(tranche(binary, ["--project", str(project), "--format", "json", "experiment", "show", name]))
    return shown


def tranche(binary: str, arguments: list[str], given: str | None = None) -> str:
    done = subprocess.run([binary, *arguments], input=given, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"`{binary} {' '.join(arguments)}` failed: {done.stderr}")
    return done.stdout


def ours_by_project(case: Case, shown: dict[tuple[str, str], dict]) -> list[Row]:
    rows = []
    for inference, suffix in SUFFIXES.items():
        document = shown[case.scenario, f"{case.experiment}_{inference}" if inference else case.experiment]
        estimate = next(e for e in document["estimates"]
                        if (e["metric"], e["variant"], e["segment"]) == (case.metric, case.variant, "all"))
        for what, key in (("difference", "absolute"), ("lift", "relative")):
            rows.append(Row(what + suffix, "Tranche, project", as_answer(estimate[key])))
    return rows


def as_answer(found: dict) -> Answer:
    return Answer(found["effect"], *found["ci"], found.get("chance_to_win", found.get("p")))


def ours_by_stats(case: Case, binary: str) -> list[Row]:
    """Shares are taken as such here, with p(1 - p) / n; a project takes them as means of 0 and 1."""
    ddof, reason = (0, "a") if case.kind == "proportion" else (1, "")
    m = moments(case, ddof)

    def ask(*arguments: str) -> dict:
        given = json.dumps({"cases": {"it": {"kind": case.kind, "a": sums(case.control, case.kind), "b": sums(case.treatment, case.kind)}}})
        return json.loads(tranche(binary, ["--format", "json", "stats", "-", *arguments], given))["cases"]["it"]["results"]

    by_delta, by_fieller = ask(), ask("--relative", "fieller")
    tool = "Tranche, stats"
    rows = [
        Row("difference", tool, as_answer(by_delta["freq_absolute"]), reason, welch(case, ddof)),
        Row("lift", tool, as_answer(by_delta["fieller_relative"]), reason, fieller(case, ddof, Z, welch(case, ddof).chance)),
        Row("lift", f"{tool}, delta", as_answer(by_delta["freq_relative"]), reason + "b", delta(case, ddof)),
        Row("difference, at any look", tool, as_answer(by_delta[f"seq{TUNING}_absolute"]), reason,
            confidence_sequence(m.difference, m.se, m.na + m.nb)),
        Row("lift, at any look", tool, as_answer(by_fieller[f"seq{TUNING}_relative"]), reason, sequential_fieller(case, ddof)),
    ]
    for prior, sd in PRIORS.items():
        key = "bayes_flat" if sd is None else f"bayes_n0_{sd}"
        suffix = f", {'flat prior' if sd is None else 'prior ' + prior}"
        rows += [Row(f"{what}{suffix}", tool, as_answer(by_delta[f"{key}_{kind}"]), reason, posterior(m, what, sd))
                 for what, kind in (("difference", "absolute"), ("lift", "relative"))]
    if case.kind != "ratio" and not case.cuped:
        fractions = ",".join(str(sum(parts) / (len(case.control) + len(case.treatment))) for parts in cumulative(case))
        found = ask("--inference", "group_sequential", "--looks", fractions, "--spending", "power:2", "--relative", "fieller")
        rows.append(Row("difference, at the last of five planned looks", tool, as_answer(found["group_sequential_absolute"])))
    return rows


def sums(arm: Arm, kind: str) -> dict[str, float]:
    n, y = len(arm), arm.y
    match kind:
        case "proportion":
            return {"n": n, "sum": y.sum()}
        case "mean":
            return {"n": n, "sum": y.sum(), "sum_squares": (y * y).sum()}
        case "mean_cuped":
            x = arm.before
            return sums(arm, "mean") | {"pre_sum": x.sum(), "pre_sum_squares": (x * x).sum(), "post_pre_sum_of_products": (x * y).sum()}
    d = arm.below
    return {"n": n, "num_sum": y.sum(), "num_sum_squares": (y * y).sum(), "den_sum": d.sum(), "den_sum_squares": (d * d).sum(),
            "num_den_sum_of_products": (y * d).sum()}
