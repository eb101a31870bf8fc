"""What a report of a sweep says, whatever its form: tables, figures, notes, single numbers, and where they come from."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from matplotlib.figure import Figure

from gaitlab.config import to_dict
from gaitlab.reports import figures
from gaitlab.reports.ablation import AblationResult, ablation_result
from gaitlab.reports.ablation_tables import ablation_tables, measure
from gaitlab.reports.result_row import ResultRow
from gaitlab.reports.search import SearchResult, search_result
from gaitlab.reports.search_tables import search_tables
from gaitlab.reports.table import Table, short_commit
from gaitlab.sweeps.retested import Retested
from gaitlab.sweeps.study import Study
from gaitlab.sweeps.sweep import Sweep
from gaitlab.tracking.origins import UNKNOWN, Origin


@dataclass(frozen=True, kw_only=True)
class Report:
    """What all forms show. about: a line under the title. figures: name -> figure. notes: what lacks, and why. rows: single numbers.
    facts: term -> what it is here, e.g. hardware. command: to run the sweep. writer: to write the report."""

    name: str
    title: str
    about: str
    tables: Sequence[Table]
    figures: Mapping[str, Figure]
    notes: Sequence[str]
    rows: Sequence[ResultRow]
    facts: Mapping[str, str]
    command: str
    writer: str

    @property
    def repeat(self) -> str:
        """What to type."""
        return f"{self.command}\n{self.writer}"


def sweep_report(sweep: Sweep, study: Study) -> Report:
    """What is finished so far. ValueError if nothing is."""
    if sweep.rows:
        return _ablation_report(sweep, ablation_result(sweep, study), study)
    return _search_report(sweep, search_result(sweep, study), study)


def retested_report(sweep: Sweep, study: Study, again: Retested, typed: str) -> Report:
    """The report of an ablation, of other people than its own. typed: what was said to `pipelines/report.py`."""
    report = _ablation_report(sweep, ablation_result(sweep, study, again.figures.get), study)
    title = f"{report.title}, tested on {again.on}"
    return replace(report, name=f"{sweep.name}-on-{again.on}", title=title, writer=f"python pipelines/report.py {typed}")


def as_last_run(sweep: Sweep, study: Study) -> Sweep:
    """The sweep with the base, seeds and trials that its study was last run with, which the command line may have changed."""
    last = study.last
    return replace(sweep, base=last.base, seeds=last.seeds, trials=last.trials) if last else sweep


def _ablation_report(sweep: Sweep, result: AblationResult, study: Study) -> Report:
    rows = []
    lacking = []
    for run in result.runs:
        numbers = {result.measure: run.value} | {f"{result.measure} {name}": value for name, value in run.sets.items()}
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
    done = f"{len(result.runs)} of {len(sweep.rows) * len(sweep.seeds)} runs"
    return Report(
        name=sweep.name,
        title=result.title,
        about=f"{done}: {len(sweep.rows)} rows, seeds {seeds}; {result.protocol}, {measure(result)}",
        tables=ablation_tables(result),
        figures=figures.ablation_figures(result),
        notes=[*result.notes, *lacking],
        rows=rows,
        facts=_facts(sweep, [run.origin for run in result.runs]),
        command=study.command,
        writer=f"python pipelines/report.py {sweep.name}",
    )


def _search_report(sweep: Sweep, result: SearchResult, study: Study) -> Report:
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
    return Report(
        name=sweep.name,
        title=result.title,
        about=f"{len(result.trials)} of {sweep.trials} trials finished{early}; drawn by {sweep.sampler}, for {goals}",
        tables=search_tables(result),
        figures=figures.search_figures(result),
        notes=result.notes,
        rows=rows,
        facts=_facts(sweep, list(result.origins.values())),
        command=study.command,
        writer=f"python pipelines/report.py {sweep.name}",
    )


def _facts(sweep: Sweep, origins: Sequence[Origin]) -> dict[str, str]:
    config = sha256(json.dumps(to_dict(sweep), sort_keys=True).encode()).hexdigest()[:12]
    return {
        "sweep": f"{sweep.name}, config {config}, base {sweep.base.name}",
        "commit": ", ".join(dict.fromkeys(short_commit(origin.commit) for origin in origins)) or UNKNOWN,
        "hardware": "; ".join(dict.fromkeys(origin.hardware for origin in origins)) or UNKNOWN,
    }
