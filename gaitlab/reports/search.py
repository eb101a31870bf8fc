"""What a search came to: its best trials, which fields mattered, and for several objectives the front that nothing dominates."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import optuna

from gaitlab.config import fingerprint
from gaitlab.reports.ablation import causes, provenance_notes
from gaitlab.reports.table import number
from gaitlab.sweeps.study import Study, Trial
from gaitlab.sweeps.sweep import Objective, Range, Sweep, of_point
from gaitlab.tracking.origins import UNKNOWN, Origin, origins

WEIGHED = 8
"""Finished trials from which importances are told."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
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


def search_result(sweep: Sweep, study: Study) -> SearchResult:
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
    return SearchResult(
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
