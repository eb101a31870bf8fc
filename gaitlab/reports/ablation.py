"""What an ablation came to: every row's rank-1, its gain over its baseline with what it is worth, and the published gain beside it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gaitlab.config import fingerprint
from gaitlab.reports import bootstrap
from gaitlab.reports.bootstrap import Estimate, Parts
from gaitlab.runs.folder import OUTCOME, read_outcome, run_folder
from gaitlab.runs.summary import Summary
from gaitlab.sweeps.study import Study, Trial
from gaitlab.sweeps.sweep import Sweep, of_row
from gaitlab.tracking.origins import UNKNOWN, Origin, origins


@dataclass(frozen=True, kw_only=True)
class SeedRun:
    """A finished run: percent, of the headline and by probe set; seconds are NaN where another sweep's run was taken over."""

    row: str
    seed: int
    run: str
    value: float
    sets: Mapping[str, float]
    seconds: float
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class Published:
    """value: percent. gain: over the same baseline, points. difference: our gain minus that. NaN where something lacks."""

    value: float
    gain: float
    difference: float


@dataclass(frozen=True, kw_only=True)
class AblationRow:
    """runs: one a seed, by seed. mean, gain: None where there is nothing to estimate from. set_gains: points by probe set, of seeds that
    both rows have."""

    row: str
    baseline: str
    runs: Sequence[SeedRun]
    mean: Estimate | None
    gain: Estimate | None
    set_gains: Mapping[str, float]
    published: Mapping[str, Published]

    @property
    def values(self) -> list[float]:
        return [run.value for run in self.runs]

    @property
    def seconds(self) -> float:
        """Mean of the runs that were timed."""
        timed = [run.seconds for run in self.runs if not math.isnan(run.seconds)]
        return float(np.mean(timed)) if timed else math.nan


@dataclass(frozen=True, kw_only=True)
class AblationResult:
    """measure: the headline's name, e.g. rank1. sets: probe sets, where they differ from the headline. notes: what lacks and why, and what
    to know besides; one sentence each."""

    name: str
    title: str
    protocol: str
    measure: str
    sets: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[AblationRow]
    source: str
    notes: Sequence[str] = field(default=())

    @property
    def runs(self) -> list[SeedRun]:
        return [run for row in self.rows for run in row.runs]


Outcomes = Callable[[str], Summary | None]
"""The figures of a run, by its id."""


def in_its_folder(run: str) -> Summary | None:
    """What the run came to in its own tests."""
    return read_outcome(run_folder(run))


def ablation_result(sweep: Sweep, study: Study, outcomes: Outcomes = in_its_folder) -> AblationResult:
    """What is finished so far. ValueError if nothing is."""
    if not sweep.goals:
        raise ValueError(f"sweep {sweep.name} tests nothing; give --base.benchmarks, or objectives")
    metric = sweep.goals[0].metric
    protocol, _, measure = metric.rpartition("/")
    trials = study.trials()
    finished, notes = _finished(sweep, trials, study.command, outcomes)
    done = [(trial, outcome) for trial, outcome in finished if metric in outcome.metrics and math.isfinite(outcome.metrics[metric])]
    notes += [f"{_name(t)} is left out: it has no figure {metric}." for t, o in finished if (t, o) not in done]
    if not done:
        raise ValueError(f"sweep {sweep.name} has no finished run to report; go on with: {study.command}")
    known = origins(trial.run for trial, _ in done)
    sets = _sets(protocol, metric, [outcome for _, outcome in done])
    runs: dict[str, list[SeedRun]] = {row: [] for row in sweep.rows}
    parts: dict[str, dict[int, Parts]] = {row: {} for row in sweep.rows}
    for trial, outcome in sorted(done, key=lambda both: both[0].seed):
        parts[trial.row][trial.seed] = _parts(outcome, protocol, metric, trial.run)
        runs[trial.row].append(_run(sweep, trial, outcome, f"{protocol}/", metric, sets, known[trial.run]))
    rows = [_row(sweep, row, runs, parts, sets, study.looks) for row in sweep.rows]
    return AblationResult(
        name=sweep.name,
        title=sweep.title or sweep.name,
        protocol=protocol,
        measure=measure,
        sets=sets,
        columns=list(sweep.published),
        rows=rows,
        source=sweep.source,
        notes=[*notes, *_unpaired(rows, parts), *provenance_notes([run.origin for row in rows for run in row.runs])],
    )


def causes(trials: Sequence[Trial], command: str) -> list[str]:
    """A sentence for each trial that has no figure, with its cause. command: of the sweep."""
    states = {"RUNNING": "is running", "WAITING": "waits", "PRUNED": "was stopped early"}
    lines = []
    for trial in trials:
        if trial.state == "FAIL":
            lines.append(f"{_name(trial)} failed: {(trial.cause or 'no cause is known').rstrip('.')}.")
        elif trial.state in states:
            lines.append(f"{_name(trial)} {states[trial.state]}.")
    if any(trial.state == "FAIL" for trial in trials):
        lines.append(f"To repeat what failed: {command} --retry-failed.")
    return lines


def provenance_notes(known: Sequence[Origin]) -> list[str]:
    """What a reader of the numbers should know about where they came from."""
    commits = {origin.commit for origin in known if origin.commit != UNKNOWN}
    notes = []
    if len(commits) > 1:
        notes.append(f"The runs are of {len(commits)} commits: {', '.join(sorted(commit[:12] for commit in commits))}.")
    if dirty := sum(origin.dirty for origin in known):
        notes.append(f"{dirty} of {len(known)} runs began with files that differed from their commit.")
    if unknown := sum(origin.commit == UNKNOWN for origin in known):
        notes.append(f"Of {unknown} of {len(known)} runs the tracking store knows nothing; commit and hardware are unknown.")
    return notes


def _finished(sweep: Sweep, trials: Sequence[Trial], command: str, outcomes: Outcomes) -> tuple[list[tuple[Trial, Summary]], list[str]]:
    """Of every row and seed what it left, and a sentence about each that left nothing, or is none of the sweep's."""
    done: list[tuple[Trial, Summary]] = []
    lacking: list[Trial] = []
    notes: list[str] = []
    planned = {(row, seed) for row in sweep.rows for seed in sweep.seeds}
    for row, seed in ((row, seed) for row in sweep.rows for seed in sweep.seeds):
        own = [trial for trial in trials if (trial.row, trial.seed) == (row, seed)]
        complete = [trial for trial in own if trial.state == "COMPLETE"]
        failed = [trial for trial in own if trial.state == "FAIL"]
        if complete:
            outcome = outcomes(complete[-1].run)
            if outcome is None:
                notes.append(f"{row}, seed {seed} is left out: its folder {run_folder(complete[-1].run)} has no figures any more.")
            else:
                done.append((complete[-1], outcome))
                notes += [f"{_name(t)} failed first ({(t.cause or 'no cause is known').rstrip('.')}) and was repeated." for t in failed]
        elif own:
            lacking.append(own[-1])
        else:
            notes.append(f"{row}, seed {seed} was never begun.")
    others = sorted({(t.row, t.seed) for t in trials} - planned)
    notes += [f"{row}, seed {seed} is in the study and not in the sweep, so not in the table." for row, seed in others]
    return done, [*causes(lacking, command), *notes]


def _sets(protocol: str, metric: str, outcomes: Sequence[Summary]) -> list[str]:
    """Probe sets of the headline's protocol but for those that are the headline itself."""
    start, end = f"{protocol}/", "/rank-1"
    if not metric.endswith("/rank1"):
        return []
    keys = [k for k in dict.fromkeys(k for o in outcomes for k in o.metrics) if k.startswith(start) and k.endswith(end)]
    keys = [key for key in keys if any(o.metrics.get(key, math.nan) != o.metrics[metric] for o in outcomes)]
    return [key.removeprefix(start).removesuffix(end) for key in keys]


def _parts(outcome: Summary, protocol: str, metric: str, run: str) -> Parts:
    """What a bootstrap draws from; of a figure that is no rank-1 of people, the figure alone."""
    value = outcome.metrics[metric]
    of = outcome.subjects.get(protocol) if metric.endswith("/rank1") else None
    if not of:
        return {"": (1.0, value / 100)}
    added = 100 * sum(hits for _, hits in of.values()) / sum(share for share, _ in of.values())
    if abs(added - value) > 0.01:
        file = run_folder(run) / OUTCOME
        raise ValueError(f"{file} is damaged (its people have {added:.2f} %, it says {value:.2f}); delete it, and the run is tested again")
    return of


def _run(sweep: Sweep, trial: Trial, outcome: Summary, start: str, metric: str, sets: Sequence[str], origin: Origin) -> SeedRun:
    config = origin.config if origin.config != UNKNOWN else fingerprint(of_row(sweep, trial.row, trial.seed))
    return SeedRun(
        row=trial.row,
        seed=trial.seed,
        run=trial.run,
        value=outcome.metrics[metric],
        sets={name: outcome.metrics.get(f"{start}{name}/rank-1", math.nan) for name in sets},
        seconds=trial.seconds if trial.seconds > 1 else math.nan,
        origin=replace(origin, config=config),
    )


def _row(
    sweep: Sweep,
    row: str,
    runs: Mapping[str, Sequence[SeedRun]],
    parts: Mapping[str, Mapping[int, Parts]],
    sets: Sequence[str],
    looks: Sequence[int],
) -> AblationRow:
    baseline = sweep.baseline.get(row, "")
    paired = sorted(parts[row].keys() & parts[baseline].keys()) if baseline else []
    gain = bootstrap.gain(parts[row], parts[baseline], looks=looks) if paired else None
    ours, theirs = ({run.seed: run.sets for run in runs.get(name, ()) if run.seed in paired} for name in (row, baseline))
    return AblationRow(
        row=row,
        baseline=baseline,
        runs=runs[row],
        mean=bootstrap.mean(parts[row]) if parts[row] else None,
        gain=gain,
        set_gains={name: float(np.mean([ours[s][name] - theirs[s][name] for s in paired])) for name in sets} if paired else {},
        published={column: _published(figures, row, baseline, gain) for column, figures in sweep.published.items()},
    )


def _published(figures: Mapping[str, float], row: str, baseline: str, gain: Estimate | None) -> Published:
    value = figures.get(row, math.nan)
    theirs = value - figures.get(baseline, math.nan)
    return Published(value=value, gain=theirs, difference=(gain.value if gain else math.nan) - theirs)


def _unpaired(rows: Sequence[AblationRow], parts: Mapping[str, Mapping[int, Parts]]) -> list[str]:
    """Where a gain is not the difference of the two rows' means."""
    lines = []
    for row in (row for row in rows if row.baseline):
        ours, theirs = parts[row.row].keys(), parts[row.baseline].keys()
        both = ", ".join(map(str, sorted(ours & theirs)))
        if ours and theirs and ours != theirs:
            limit = f"is of the seeds that both have ({both})" if both else "cannot be told: they have no seed in common yet"
            lines.append(f"{row.row}: the gain over {row.baseline} {limit}.")
    return lines


def _name(trial: Trial) -> str:
    return f"{trial.row}, seed {trial.seed} (trial {trial.number})" if trial.row else f"Trial {trial.number}"
