"""The memory of a sweep: an Optuna study in a database, which outlives every process and opens in optuna-dashboard.

One driver works on a study at a time (`Study.open` holds its lock). What a killed driver left running is handed out again first, under
the same number and into the same run, so no trial is done twice and none is lost.
"""

import math
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from gaitlab.config import differences, from_dict, to_dict
from gaitlab.experiment import Experiment
from gaitlab.home import home, sqlite_url
from gaitlab.modules import import_kept
from gaitlab.sweeps.sweep import Choice, Range, Sweep, Uniform, label, of_point, of_row
from gaitlab.tracking.mlflow_store import database_file, without_password

RUN, CAUSE, ROW, SEED, RESUMED = "run", "cause", "row", "seed", "resumed"
"""Attributes of a trial: MLflow run id; why it failed; an ablation's line; seed; whether a killed driver had begun it."""

STUDY_FILE = "study-{}.db"
"""Name of a study in a pack, by its number there."""
DRAWS = 50
"""Times that a search asks for a point that no trial had; a space of choices may have no other."""
REPEATED, CUT_SHORT = "an earlier trial has this point", "its driver was killed as it was drawn"
"""Causes of what is no trial."""


@dataclass(frozen=True)
class Trial:
    """One run of a sweep. state: WAITING | RUNNING | COMPLETE | PRUNED | FAIL. row: an ablation's line, else "". seconds: from its start
    to its end, 0 if that is not known or a killed driver's rest lies between."""

    number: int
    state: str
    row: str
    seed: int
    point: Mapping[str, Any]
    run: str
    cause: str
    values: Sequence[float]
    seconds: float


def default_storage() -> str:
    """$GAITLAB_STUDIES, any SQL URL that Optuna takes, or the SQLite file in gaitlab's home."""
    return os.environ.get("GAITLAB_STUDIES") or sqlite_url(home() / "sweeps.db")


class Study:
    """Opened by `Study.open` to run trials, or by `Study.read` to look at them."""

    def __init__(self, sweep: Sweep, study: optuna.Study, storage: str, lock: FileLock | None) -> None:
        self.sweep, self.optuna, self.storage, self._lock = sweep, study, storage, lock
        self._left: list[int] = []

    @classmethod
    def open(cls, sweep: Sweep, storage: str | None = None) -> "Study":
        """The sweep's study, made on first use. ValueError if another driver has it, or if it was begun with another sweep."""
        storage = storage or default_storage()
        database = _storage(storage)
        lock = FileLock(_folder() / f"{sweep.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"sweep {sweep.name} is being run by another process; wait for it, or stop it") from None
        study = optuna.create_study(
            study_name=sweep.name,
            storage=database,
            directions=[goal.goal for goal in sweep.goals],
            load_if_exists=True,
        )
        study.sampler, study.pruner = _sampler(sweep, len(study.trials)), _pruner(sweep)
        now, begun = to_dict(sweep), study.user_attrs.get("sweep")
        if begun and (changed := _changed(begun, now)):
            lock.release()
            raise ValueError(f"sweep {sweep.name} was begun with other values ({'; '.join(changed[:3])}); give --name NEW_NAME")
        study.set_user_attr("sweep", now)
        if "token" not in study.user_attrs:
            study.set_user_attr("token", uuid.uuid4().hex)
        opened = cls(sweep, study, storage, lock)
        opened._take_up()
        opened._enqueue()
        return opened

    @classmethod
    def read(cls, sweep: Sweep, storage: str | None = None) -> "Study":
        """The study as it is. ValueError if the sweep was never begun."""
        storage = storage or default_storage()
        study = _begun(sweep.name, storage)
        if study is None:
            raise ValueError(f"sweep {sweep.name} has no trials yet; start it: python pipelines/sweep.py {sweep.name}")
        return cls(sweep, study, storage, None)

    def close(self) -> None:
        if self._lock:
            self._lock.release()

    @property
    def token(self) -> str:
        """What no other study has; its runs are begun under it."""
        return str(self.optuna.user_attrs["token"])

    @property
    def last(self) -> Sweep | None:
        """The sweep as it was last run."""
        return _last(self.optuna)

    @property
    def command(self) -> str:
        """What to type for more of it."""
        return f"python pipelines/sweep.py {self.optuna.user_attrs.get('typed') or self.sweep.name}"

    def typed(self, words: str) -> None:
        """Remember what was behind `pipelines/sweep.py`, but for passwords."""
        self.optuna.set_user_attr("typed", without_password(words))

    @property
    def parent(self) -> str | None:
        """MLflow run of the sweep itself."""
        return self.optuna.user_attrs.get("parent")

    @parent.setter
    def parent(self, run: str) -> None:
        self.optuna.set_user_attr("parent", run)

    @property
    def winner(self) -> str | None:
        """Run whose network was registered last."""
        return self.optuna.user_attrs.get("winner")

    @winner.setter
    def winner(self, run: str) -> None:
        self.optuna.set_user_attr("winner", run)

    @property
    def looks(self) -> list[int]:
        """Numbers of seeds after which it was asked whether the errors of gains are small enough (`reports.power`)."""
        return list(self.optuna.user_attrs.get("looks", []))

    def looked(self, seeds: int) -> None:
        """One has looked at the gains of so many seeds."""
        self.optuna.set_user_attr("looks", sorted({*self.looks, seeds}))

    def trials(self) -> list[Trial]:
        """All trials, by number; draws that came to nothing are none."""
        return [self._trial(t) for t in self.optuna.get_trials(deepcopy=False) if t.user_attrs.get(CAUSE) not in (REPEATED, CUT_SHORT)]

    def next(self) -> tuple[Trial, Experiment] | None:
        """The trial to start now: one that was left running, else one that waits or a newly drawn one; None if there is none."""
        if self._left:
            self._set(self._left[0], RESUMED, True)
            return self._hand_out(self._left.pop(0))
        for _ in range(DRAWS):
            trials = self.trials()
            waiting = any(t.state == "WAITING" for t in trials)
            if not waiting and (self.sweep.rows or len(trials) >= self.sweep.trials or self._exhausted(trials)):
                return None
            number = self.optuna.ask({path: _distribution(range_) for path, range_ in self.sweep.space.items()}).number
            if SEED not in self.optuna.get_trials(deepcopy=False)[number].user_attrs:  # a search's trial that is no retry
                self._set(number, SEED, self._turn(number))
            if not self._repeats(number):
                return self._hand_out(number)
            self.failed(number, REPEATED)
        return None

    def _exhausted(self, trials: Sequence[Trial]) -> bool:
        """Whether every point of a space of choices has been tried with every seed, and none of them failed."""
        sizes = [len(r.values) if isinstance(r, Choice) else math.inf for r in self.sweep.space.values()]
        tried = {(t.seed, *sorted(map(str, t.point.items()))) for t in trials if t.state != "FAIL"}
        return len(tried) >= math.prod(sizes) * len(self.sweep.seeds)

    def begun(self, number: int, run: str) -> None:
        """The trial has an MLflow run."""
        self._set(number, RUN, run)

    def completed(self, number: int, metrics: Mapping[str, float]) -> None:
        """The trial's final figures. A figure that it should be judged by and lacks makes it a failed one."""
        lacking = [goal.metric for goal in self.sweep.goals if goal.metric not in metrics]
        if lacking:
            self.failed(number, f"no figure {', '.join(lacking)}; there are {', '.join(metrics) or 'none'}")
        else:
            self.optuna.tell(number, [metrics[goal.metric] for goal in self.sweep.goals])

    def scored(self, number: int, step: int, score: float) -> None:
        """An evaluation on the way, which optuna-dashboard draws and a pruned trial is remembered by."""
        if len(self.sweep.goals) == 1:
            trial = optuna.Trial(self.optuna, self._id(number))
            trial.report(score, step)

    def should_stop(self, number: int) -> bool:
        """Whether the sweep's stopper has seen enough of the trial in what was `scored`."""
        return self.sweep.stopper != "none" and optuna.Trial(self.optuna, self._id(number)).should_prune()

    def pruned(self, number: int) -> None:
        """Stopped early."""
        self.optuna.tell(number, state=TrialState.PRUNED)

    def failed(self, number: int, cause: str) -> None:
        self._set(number, CAUSE, cause)
        self.optuna.tell(number, state=TrialState.FAIL)

    def retry_failed(self) -> int:
        """An ablation's failed trials wait again, and a search's points are drawn again; returns how many."""
        known = self.optuna.get_trials(deepcopy=False)  # one that waits has its point among Optuna's own attributes
        points = [frozen.params or frozen.system_attrs.get("fixed_params", {}) for frozen in known]
        trials = [(t.state, (t.row, t.seed, points[t.number])) for t in self.trials()]
        not_failed = [trial for state, trial in trials if state != "FAIL"]
        again = [trial for state, trial in trials if state == "FAIL" and trial not in not_failed]
        for trial in again:
            self._wait(*trial)
        return len(again)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        """What a killed driver left running is to be handed out again; what it was still drawing is no trial."""
        for trial in self.optuna.get_trials(states=(TrialState.RUNNING,)):
            if RUN not in trial.user_attrs and (trial.params.keys() != self.sweep.space.keys() or self._repeats(trial.number)):
                self.failed(trial.number, CUT_SHORT)
            else:
                self._left.append(trial.number)

    def _turn(self, number: int) -> int:
        """The seed of a search's trial."""
        return self.sweep.seeds[number % len(self.sweep.seeds)]

    def _enqueue(self) -> None:
        """Every line of an ablation with every seed, once; those that wait are asked for in this order."""
        known = {(t.row, t.seed) for t in self.trials()}
        for seed in self.sweep.seeds:
            for row in self.sweep.rows:
                if (row, seed) not in known:
                    self._wait(row, seed, {})

    def _wait(self, row: str, seed: int, point: dict[str, Any]) -> None:
        self.optuna.enqueue_trial(point, user_attrs={ROW: row, SEED: seed})

    def _repeats(self, number: int) -> bool:
        """Whether a search's trial has the point and the seed of an earlier one that did not fail, as samplers draw choices again."""
        if self.sweep.rows:
            return False
        points = [(t.state.name, t.user_attrs.get(SEED), t.params) for t in self.optuna.get_trials(deepcopy=False)[: number + 1]]
        return any(points[number][1:] == (seed, point) for state, seed, point in points[:number] if state not in ("FAIL", "WAITING"))

    def _hand_out(self, number: int) -> tuple[Trial, Experiment]:
        trial = self._trial(self.optuna.get_trials(deepcopy=False)[number])
        if self.sweep.rows:
            return trial, of_row(self.sweep, trial.row, trial.seed)
        return trial, of_point(self.sweep, number, trial.point, trial.seed)

    def _trial(self, frozen: FrozenTrial) -> Trial:
        return Trial(
            number=frozen.number,
            state=frozen.state.name,
            row=frozen.user_attrs.get(ROW, ""),
            seed=frozen.user_attrs.get(SEED, self._turn(frozen.number)),
            point={path: _value(self.sweep.space[path], drawn) for path, drawn in frozen.params.items()},
            run=frozen.user_attrs.get(RUN, ""),
            cause=frozen.user_attrs.get(CAUSE, ""),
            values=tuple(frozen.values or ()),
            seconds=frozen.duration.total_seconds() if frozen.duration and RESUMED not in frozen.user_attrs else 0.0,
        )

    def _id(self, number: int) -> int:
        return self.optuna.get_trials(deepcopy=False)[number]._trial_id

    def _set(self, number: int, key: str, value: Any) -> None:
        optuna.Trial(self.optuna, self._id(number)).set_user_attr(key, value)


MAY_CHANGE = ("trials:", "title:", "source:", "published", "baseline", "base.scale.", "base.modules", "seeds", "stopper:", "grace:")
"""What may be another when a sweep goes on: more trials, seeds or rows, another cluster, what its table says beside the figures."""


def _changed(begun: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs and decides a trial's number; a row may be added, and a field that gaitlab has learnt since has its default."""
    begun = to_dict(from_dict(begun, Sweep))
    old = now | {"rows": {row: fields for row, fields in now.get("rows", {}).items() if row in begun.get("rows", {})}}
    return [line for line in differences(begun, old) if not line.startswith(MAY_CHANGE)]


def _distribution(range_: Range) -> BaseDistribution:
    if isinstance(range_, Choice):
        return CategoricalDistribution([label(value) for value in range_.values])
    if isinstance(range_, Uniform):
        return FloatDistribution(range_.low, range_.high, log=range_.log)
    return IntDistribution(range_.low, range_.high, step=range_.step)


def _value(range_: Range, drawn: Any) -> Any:
    """What a field gets for what the study remembers: choices are remembered by their labels."""
    if isinstance(range_, Choice):
        return next(value for value in range_.values if label(value) == drawn)
    return drawn


def _sampler(sweep: Sweep, drawn: int) -> optuna.samplers.BaseSampler:
    """drawn: trials so far; a sampler that began anew with the same seed would draw the first points again."""
    seed = 1_000_003 * sweep.seeds[0] + drawn
    if sweep.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if sweep.sampler == "nsgaii":
        return optuna.samplers.NSGAIISampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(8, max(3, sweep.trials // 3)), constant_liar=True)


def _pruner(sweep: Sweep) -> optuna.pruners.BasePruner:
    """For executors without a scheduler of their own."""
    grace = sweep.grace or sweep.base.train.evaluate_every
    if sweep.stopper == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=grace, reduction_factor=2)
    if sweep.stopper == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=grace)
    return optuna.pruners.NopPruner()


def remembered(name: str, storage: str | None = None) -> Sweep | None:
    """The sweep of that name as it was last run; None if it never was."""
    study = _begun(name, storage or default_storage())
    return _last(study) if study else None


def copy_out(name: str, storage: str | None, file: Path) -> None:
    """The study into a new SQLite file, for another machine."""
    optuna.copy_study(from_study_name=name, from_storage=_storage(storage or default_storage()), to_storage=_storage(sqlite_url(file)))


def copy_in(file: Path, storage: str | None = None) -> str:
    """The study in a file of `copy_out` into the database, unless one of its name is there; a line about it."""
    theirs, ours = _storage(sqlite_url(file)), _storage(storage or default_storage())
    (name,) = optuna.get_all_study_names(theirs)
    if name in optuna.get_all_study_names(ours):
        return f"sweep {name}: there is a study of that name, which stays; what was trained elsewhere is shared by it"
    optuna.copy_study(from_study_name=name, from_storage=theirs, to_storage=ours)
    study = optuna.load_study(study_name=name, storage=ours)
    return f"sweep {name}: {len(study.trials)} trials; go on with: python pipelines/sweep.py {study.user_attrs.get('typed') or name}"


def _last(study: optuna.Study) -> Sweep | None:
    if "sweep" not in study.user_attrs:
        return None
    import_kept(study.user_attrs["sweep"]["base"].get("modules", ()))
    return from_dict(study.user_attrs["sweep"], Sweep)


def _begun(name: str, storage: str) -> optuna.Study | None:
    file = database_file(storage)
    if file and not file.exists():
        return None
    try:
        return optuna.load_study(study_name=name, storage=_storage(storage))
    except KeyError:
        return None


def _storage(url: str) -> optuna.storages.BaseStorage:
    """ValueError for a database that cannot be opened."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite:") else {"pool_pre_ping": True}
    with FileLock(_folder() / "database.lock"):  # parallel first uses of a database break each other
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=options)
        except (SQLAlchemyError, ImportError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(
                f"no studies in {without_password(url)}: {reason}; give --storage sqlite:///FILE, or another SQL URL"
            ) from None


def _folder() -> Path:
    folder = home() / "sweeps"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
