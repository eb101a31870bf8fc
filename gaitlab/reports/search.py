"""What a search came to: its best trials, which fields mattered, and for several objectives the front that nothing dominates."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import optuna

from gaitlab.config import fingerprint
from gaitlab.reports.ablation import causes, provenance_notes
from gaitlab.reports.ablation_grids import short
from gaitlab.reports.grid import Grid, number
from gaitlab.sweeps.study import Study, Trial
from gaitlab.sweeps.sweep import Objective, Range, Sweep, label, of_point
from gaitlab.tracking.origins import UNKNOWN, Origin, origins

BEST = 10
WEIGHED = 8
"""Finished trials from which importances are told."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """trials: finished ones, by number; a value for each goal. stopped: number of a trial that was stopped early -> its last step and its
    score there, where the study was told. front: numbers of finished trials. importances: goal's metric -> field's path -> share of what
    the fields explain (they sum to 1); nothing for a goal that too few trials tell about."""

    name: str
    title: str
    goals: Sequence[Objective]
    space: Mapping[str, Range]
    trials: Sequence[Trial]
    stopped: Mapping[int, tuple[int, float] | None]
    configs: Mapping[int, str]
    origins: Mapping[str, Origin]
    front: Sequence[int]
    importances: Mapping[str, Mapping[str, float]]
    notes: Sequence[str] = field(default=())

    def ranked(self) -> list[Trial]:
        """By the first goal, best first; equals by number."""
        sign = -1 if self.goals[0].goal == "maximize" else 1
        return sorted(self.trials, key=lambda trial: (sign * trial.values[0], trial.number))


def search(sweep: Sweep, study: Study) -> Found:
    """What is finished so far. ValueError if nothing is."""
    trials = study.trials()
    done = [trial for trial in trials if trial.state == "COMPLETE"]
    if not done:
        raise ValueError(f"sweep {sweep.name} has no finished trial to report; go on with: {study.command}")
    known = origins(trial.run for trial in done)
    stopped = _stopped(study.optuna)
    notes = causes([trial for trial in trials if trial.state not in ("COMPLETE", "PRUNED")], study.command)
    if early := [f"{i} ({number(at[1])} at step {at[0]})" if at else str(i) for i, at in stopped.items()]:
        notes.append(f"Stopped early, so neither ranked nor weighed: trials {', '.join(early)}.")
    if missing := max(0, sweep.trials - len(trials)):
        notes.append(f"{missing} of {sweep.trials} trials were not begun.")
    if len(sweep.seeds) > 1:
        notes.append(f"Trials have seeds {', '.join(map(str, sweep.seeds))} in turn, so some of their differences are the seeds'.")
    importances = {goal.metric: _importances(study.optuna, i) for i, goal in enumerate(sweep.goals)}
    notes += [
        f"Too few finished trials to say what matters for {metric} (there are {len(done)})."
        for metric, shares in importances.items()
        if not shares
    ]
    return Found(
        name=sweep.name,
        title=sweep.title or sweep.name,
        goals=sweep.goals,
        space=sweep.space,
        trials=done,
        stopped=stopped,
        configs={t.number: _config(sweep, t, known[t.run]) for t in done},
        origins=known,
        front=[t.number for t in study.optuna.best_trials] if len(sweep.goals) > 1 else [],
        importances=importances,
        notes=[*notes, *provenance_notes([known[trial.run] for trial in done])],
    )


def _importances(study: optuna.Study, goal: int) -> dict[str, float]:
    """PED-ANOVA (Watanabe et al., IJCAI 2023), Optuna's choice."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < WEIGHED or len({trial.values[goal] for trial in complete}) < 2:
        return {}
    sign = -1 if study.directions[goal] == optuna.study.StudyDirection.MAXIMIZE else 1  # what matters for low values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return dict(optuna.importance.get_param_importances(study, target=lambda trial: sign * trial.values[goal]))
        except (ValueError, RuntimeError):
            return {}


def _stopped(study: optuna.Study) -> dict[int, tuple[int, float] | None]:
    pruned = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.PRUNED,))
    return {trial.number: max(trial.intermediate_values.items(), default=None) for trial in pruned}


def _config(sweep: Sweep, trial: Trial, origin: Origin) -> str:
    return origin.config if origin.config != UNKNOWN else fingerprint(of_point(sweep, trial.number, trial.point, trial.seed))


def grids(found: Found) -> list[Grid]:
    """Best trials, the front, importances, runs."""
    some = [_trials(found, "best", f"Best trials, by {found.goals[0].metric}", found.ranked()[:BEST])]
    if found.front:
        front = sorted((t for t in found.trials if t.number in found.front), key=lambda t: tuple(t.values))
        note = "Of each of these trials no other is as good in all goals and better in one."
        some.append(_trials(found, "front", "Pareto front", front, note))
    if any(found.importances.values()):
        some.append(_shares(found))
    return [*some, _runs(found)]


def _trials(found: Found, name: str, title: str, trials: Sequence[Trial], note: str = "") -> Grid:
    goals = [f"{goal.metric} ({'most' if goal.goal == 'maximize' else 'least'})" for goal in found.goals]
    lines = [
        [
            str(t.number),
            *(number(value) for value in t.values),
            *(shown(t.point[path]) if path in t.point else "–" for path in found.space),
            str(t.seed),
            f"{t.seconds:.0f}" if t.seconds > 1 else "–",
        ]
        for t in trials
    ]
    return Grid(name=name, title=title, head=["trial", *goals, *found.space, "seed", "seconds"], lines=lines, note=note)


def shown(value: object) -> str:
    """A drawn value, numbers with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else label(value)


def _shares(found: Found) -> Grid:
    paths = sorted(found.space, key=lambda path: -max(shares.get(path, 0.0) for shares in found.importances.values()))
    lines = [[path, *(number(shares.get(path, math.nan)) for shares in found.importances.values())] for path in paths]
    note = "Share of what the fields explain of the difference between good trials and all (PED-ANOVA); rough below some 50 trials."
    return Grid(name="importances", title="What matters", head=["", *found.importances], lines=lines, note=note)


def _runs(found: Found) -> Grid:
    lines = []
    for t in found.trials:
        origin = found.origins[t.run]
        cells = [number(value) for value in t.values]
        lines.append([str(t.number), str(t.seed), *cells, t.run, short(origin.commit), found.configs[t.number], origin.hardware])
    first = 2 + len(found.goals)
    head = ["trial", "seed", *(goal.metric for goal in found.goals), "run", "commit", "config", "hardware"]
    return Grid(name="runs", title="Runs", head=head, lines=lines, words=frozenset(range(first, first + 4)))
