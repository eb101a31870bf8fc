"""A sweep's report: NAME.md and NAME.json beside the other results, NAME.tex, NAME.html, and in MLflow. One content, five forms."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from gaitlab.config import to_dict
from gaitlab.home import write_whole
from gaitlab.reports import ablation_grids, figures
from gaitlab.reports import search as found
from gaitlab.reports.ablation import Table, ablation
from gaitlab.reports.grid import Grid, latex, markdown
from gaitlab.reports.grid import tex as escaped
from gaitlab.reports.page import page
from gaitlab.reports.results import ResultRow, write_results
from gaitlab.reports.search import Found, search
from gaitlab.sweeps.study import Study
from gaitlab.sweeps.sweep import Sweep
from gaitlab.tracking.origins import UNKNOWN
from gaitlab.training.border import Tracker


@dataclass(frozen=True, kw_only=True)
class Content:
    """What all forms show. rows: single numbers. facts: term -> what it is here, e.g. hardware. command: to run the sweep."""

    name: str
    title: str
    about: str
    grids: Sequence[Grid]
    figures: Mapping[str, Figure]
    notes: Sequence[str]
    rows: Sequence[ResultRow]
    facts: Mapping[str, str]
    command: str

    @property
    def repeat(self) -> str:
        """What to type."""
        return f"{self.command}\npython pipelines/report.py {self.name}"


def report(sweep: Sweep, study: Study, folder: Path) -> tuple[Path, ...]:
    """Write NAME.md, NAME.json, NAME.tex, NAME.html, each whole or not at all; returns their paths. ValueError if nothing is finished."""
    content = of_sweep(sweep, study)
    written = tex(content), to_page(content)
    text, data = write_results(content.name, content.title, content.rows, notes(content), folder)
    paths = folder / f"{content.name}.tex", folder / f"{content.name}.html"
    for path, form in zip(paths, written, strict=True):
        write_whole(path, form)
    return text, data, *paths


def log_report(sweep: Sweep, study: Study, tracker: Tracker) -> Content:
    """The same as tables, figures and files of the sweep's own run; returns it."""
    content = of_sweep(sweep, study)
    for grid in content.grids:
        tracker.table(grid.name, pd.DataFrame(list(grid.lines), columns=[head or "row" for head in grid.head]))
    tracker.table("results", pd.DataFrame([vars(row) for row in content.rows]))
    for name, figure in content.figures.items():
        tracker.figure(name, figure)
    tracker.text(f"{content.name}.md", f"# {content.title}\n\n{notes(content)}\n")
    tracker.text(f"{content.name}.tex", tex(content))
    tracker.text(f"{content.name}.html", to_page(content))
    return content


def as_run(sweep: Sweep, study: Study) -> Sweep:
    """The sweep with the base, seeds and trials that its study was last run with, which the command line may have changed."""
    last = study.last
    return replace(sweep, base=last.base, seeds=last.seeds, trials=last.trials) if last else sweep


def of_sweep(sweep: Sweep, study: Study) -> Content:
    """A table of an ablation, or what a search found."""
    return _of_table(sweep, ablation(sweep, study), study) if sweep.rows else _of_search(sweep, search(sweep, study), study)


def notes(content: Content) -> str:
    """Grids, notes, facts and commands as Markdown; `write_results` lists the runs and their probe sets."""
    grids = [markdown(grid) for grid in content.grids if grid.name not in ("runs", "sets")]
    facts = [f"{term}: {fact}." for term, fact in content.facts.items() if term != "hardware"]
    lists = [ablation_grids.lines_of(content.notes)] if content.notes else []
    return "\n\n".join([content.about, *grids, *lists, " ".join(facts), f"```sh\n{content.repeat}\n```"])


def tex(content: Content) -> str:
    """All grids but the runs, and the notes, to be \\input; needs booktabs and graphicx."""
    tables = [latex(replace(grid, name=f"{content.name}-{grid.name}")) for grid in content.grids if grid.name != "runs"]
    lines = [f"{{\\footnotesize {escaped(note)}\\par}}" for note in content.notes]
    head = f"% {content.title}; \\usepackage{{booktabs,graphicx}}; written by: python pipelines/report.py {content.name}"
    return "\n\n".join([head, *tables, *lines]) + "\n"


def to_page(content: Content) -> str:
    return page(content.title, content.about, content.grids, content.figures, content.notes, content.facts, content.repeat)


def _of_table(sweep: Sweep, table: Table, study: Study) -> Content:
    rows = []
    lacking = []
    for run in table.runs:
        numbers = {table.measure: run.value} | {f"{table.measure} {name}": value for name, value in run.sets.items()}
        for metric, value in numbers.items():
            if not math.isfinite(value):
                lacking.append(f"{run.row}, seed {run.seed} has no figure {metric}.")
                continue
            origin = run.origin
            row = ResultRow(
                row=run.row, seed=run.seed, metric=metric, value=value, run=run.run, commit=origin.commit, hardware=origin.hardware
            )
            rows.append(row)
    seeds = ", ".join(map(str, sweep.seeds))
    done = f"{len(table.runs)} of {len(sweep.rows) * len(sweep.seeds)} runs"
    return Content(
        name=sweep.name,
        title=table.title,
        about=f"{done}: {len(sweep.rows)} rows, seeds {seeds}; {table.protocol}, {ablation_grids.measure(table)}",
        grids=ablation_grids.grids(table),
        figures=figures.of_table(table),
        notes=[*table.notes, *lacking],
        rows=rows,
        facts=_facts(sweep, [run.origin.commit for run in table.runs], [run.origin.hardware for run in table.runs]),
        command=study.command,
    )


def _of_search(sweep: Sweep, result: Found, study: Study) -> Content:
    rows = [
        ResultRow(
            row=f"trial {trial.number}",
            seed=trial.seed,
            metric=goal.metric,
            value=value,
            run=trial.run,
            commit=result.origins[trial.run].commit,
            hardware=result.origins[trial.run].hardware,
        )
        for trial in result.trials
        for goal, value in zip(result.goals, trial.values, strict=True)
    ]
    goals = ", ".join(f"{'most' if goal.goal == 'maximize' else 'least'} {goal.metric}" for goal in result.goals)
    early = f", {len(result.stopped)} stopped early" if result.stopped else ""
    origins = list(result.origins.values())
    return Content(
        name=sweep.name,
        title=result.title,
        about=f"{len(result.trials)} of {sweep.trials} trials finished{early}; drawn by {sweep.sampler}, for {goals}",
        grids=found.grids(result),
        figures=figures.of_search(result),
        notes=result.notes,
        rows=rows,
        facts=_facts(sweep, [origin.commit for origin in origins], [origin.hardware for origin in origins]),
        command=study.command,
    )


def _facts(sweep: Sweep, commits: Sequence[str], hardware: Sequence[str]) -> dict[str, str]:
    config = sha256(json.dumps(to_dict(sweep), sort_keys=True).encode()).hexdigest()[:12]
    return {
        "sweep": f"{sweep.name}, config {config}, base {sweep.base.name}",
        "commit": ", ".join(dict.fromkeys(ablation_grids.short(commit) for commit in commits)) or UNKNOWN,
        "hardware": "; ".join(dict.fromkeys(hardware)) or UNKNOWN,
    }
