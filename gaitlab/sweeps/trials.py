"""A sweep as work to be done: what is to be trained next, each thing once, what others stand on first; and how it ended.

Plain Python: an executor (`sweeps.here`, `cluster.sweep`) takes jobs, runs each in a process of its own, and tells how it ended.
What a run is, and whether it is done, the book knows (`runs.book`), so that executors may take turns at one sweep.
"""

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from gaitlab.data.shards import open_training
from gaitlab.experiment import Experiment
from gaitlab.runs.book import Entry, identity, lock_file, log_file, look_up
from gaitlab.sweeps.progress import Progress
from gaitlab.sweeps.study import Study, Trial
from gaitlab.tracking.origins import of_commit
from gaitlab.tracking.runs import MlflowTracker


@dataclass(frozen=True, kw_only=True)
class Job:
    """number: the trial's, None of something that trials stand on. key: of the book's entry."""

    number: int | None
    experiment: Experiment
    key: str
    fresh: bool
    old: str = ""
    """Run of the entry that a fresh one replaces."""

    @property
    def title(self) -> str:
        return f"{self.experiment.name}, seed {self.experiment.seed}"

    @property
    def log(self) -> Path:
        return log_file(self.key)


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    """A trial that the study has handed out. key, below: of the book's entries, its own and of what it stands on, first things first."""

    trial: Trial
    experiment: Experiment
    key: str
    below: tuple[tuple[str, Experiment], ...]

    @classmethod
    def of(cls, trial: Trial, experiment: Experiment) -> "_Waiting":
        below = tuple((identity(each).key, each) for each in experiment.all_below)
        return cls(trial=trial, experiment=experiment, key=identity(experiment).key, below=below)


class Trials:
    """Of a study that is open. parent: the sweep's own run. places: jobs at a time. fresh: runs that others have finished are repeated."""

    def __init__(self, study: Study, parent: MlflowTracker, progress: Progress, places: int, *, fresh: bool = False) -> None:
        self.study, self.parent, self.progress, self.places, self.fresh = study, parent, progress, places, fresh
        self.running: dict[str, Job] = {}  # by key
        self._waiting: list[_Waiting] = []  # for what they stand on
        self._broken: dict[str, str] = {}  # key of what could not be trained -> cause
        self._made: set[str] = set()  # keys of what was run by this driver
        self._noted: dict[str, str] = {}  # key of a job -> its run as the study knows it; the store gives it another id than it begins with

    def take(self) -> Job | None:
        """The next job; None if there is none now, or none any more (`done`)."""
        for waiting in list(self._waiting):
            if (job := self._ready(waiting)) is not None or waiting not in self._waiting:
                return job or self.take()
        while (self.study.sweep.rows or len(self._waiting) < self.places) and (given := self.study.next()):
            self._waiting.append(_Waiting.of(*given))
            if (job := self._ready(self._waiting[-1])) is not None:
                return job
        return None

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing waits, once `take` had nothing to give."""
        return not self.running and not self._waiting

    def note_begun(self) -> None:
        """Write down the runs that jobs have begun since; to be called now and then."""
        for job in self.running.values():
            run = look_up(job.key).run
            if job.number is not None and run not in ("", job.old, self._noted.get(job.key)):
                self.study.begun(job.number, run)
                self._noted[job.key] = run

    def heard(self, job: Job, step: int, score: float) -> None:
        """An evaluation on the way."""
        if job.number is not None:
            self.study.scored(job.number, step, score)

    def should_stop(self, job: Job) -> bool:
        """Whether the sweep's stopper has heard enough of a job; asked where no scheduler of the executor's own decides."""
        return job.number is not None and self.study.should_stop(job.number)

    def ended(self, job: Job, cause: str = "", *, early: bool = False) -> None:
        """A job's process is gone. cause: why, if it failed. early: it was stopped, as it was not worth going on."""
        del self.running[job.key]
        self._noted.pop(job.key, None)
        entry = look_up(job.key)
        outcome = entry.outcome if not cause else None
        if outcome is None and not early:
            self._failed(job, cause or "it left no figures")
        elif job.number is not None and early:
            self.study.begun(job.number, entry.run)
            self.study.pruned(job.number)
            self.close(job, "KILLED")
        elif job.number is not None:
            self._complete(job.number, job.experiment, entry, others=entry.parent != self.parent.run_id)
        self.log()

    def stopped(self) -> None:
        """By the user, or since the time is over: runs say so, and go on when the same command is given."""
        for job in self.running.values():
            self.close(job, "KILLED")
        print(f"{self.study.sweep.name}: stopped; to go on: {self.study.command}", flush=True)

    def close(self, job: Job, status: str) -> None:
        """A stopped job's process is gone without a word; its MLflow run would stay RUNNING."""
        try:
            with FileLock(lock_file(job.key), timeout=10):  # its process is gone, and marks nothing any more
                entry = look_up(job.key)
                if (run := entry.run) not in ("", job.old) and not entry.outcome:
                    data = open_training(job.experiment.data).hash
                    tracker = MlflowTracker.start(job.experiment, data_hash=data, run_id=run, uri=self.parent.uri, system_metrics=False)
                    tracker.finish(status)
        except Timeout:
            return

    def log(self) -> None:
        """Show how far the sweep is, here and in its own run."""
        trials = self.study.trials()
        self.progress.show(trials, [job.title for job in self.running.values() if job.number is None])
        ended = [t for t in trials if t.state in ("COMPLETE", "PRUNED", "FAIL")]
        values = [t.values[0] for t in ended if t.values]
        best = {"sweep/best": max(values)} if values and self.study.sweep.goals[0].goal == "maximize" else {}
        failed = sum(t.state == "FAIL" for t in ended)
        self.parent.log(len(ended), {"sweep/ended": float(len(ended)), "sweep/failed": float(failed), **best})

    # -- inside --------------------------------------------------------------------------------------------------------

    def _ready(self, waiting: _Waiting) -> Job | None:
        """The trial's job, or that of something it stands on; None if it must wait, or needs no job: then it waits no longer."""
        trial, experiment, key = waiting.trial, waiting.experiment, waiting.key
        for first, below in waiting.below:
            if first in self._broken:
                self._waiting.remove(waiting)
                self._fail(trial.number, f"{below.name}, which it stands on, failed: {self._broken[first]}", log_file(first))
                return None
            if first in self.running:
                return None
            if look_up(first).outcome is None:
                return self._begin(None, below, first, fresh=False)
        if key in self.running:  # another row is the same thing
            return None
        self._waiting.remove(waiting)
        entry = look_up(key)
        if entry.outcome is not None and (trial.run == entry.run or not self.fresh or key in self._made):
            self._complete(trial.number, experiment, entry, others=entry.parent != self.parent.run_id)
            self.log()
            return None
        fresh = self.fresh and not trial.run and key not in self._made
        self._made.add(key)
        return self._begin(trial.number, experiment, key, fresh=fresh)

    def _begin(self, number: int | None, experiment: Experiment, key: str, *, fresh: bool) -> Job:
        job = Job(number=number, experiment=experiment, key=key, fresh=fresh, old=look_up(key).run if fresh else "")
        self.running[key] = job
        self.log()
        return job

    def _complete(self, number: int, experiment: Experiment, entry: Entry, *, others: bool) -> None:
        """others: the run was begun by somebody else, so its figures go under this sweep's run, too."""
        outcome = entry.outcome
        assert outcome is not None
        if others:
            theirs = f"run {entry.run}{of_commit(entry.run)}"
            print(f"{experiment.name}, seed {experiment.seed}: {theirs} has it; --fresh repeats it", flush=True)
            tags = {"sweep": self.study.sweep.name, "trial": str(number), "shares": entry.run}
            with MlflowTracker.start(
                experiment, data_hash=open_training(experiment.data).hash, parent=self.parent.run_id, token=f"{self.study.token}-{number}",
                tags=tags, uri=self.parent.uri, system_metrics=False,
            ) as child:  # fmt: skip
                child.final(outcome.metrics)
        self.study.begun(number, entry.run)
        self.study.completed(number, outcome.metrics)

    def _failed(self, job: Job, cause: str) -> None:
        if job.number is None:
            self._broken[job.key] = cause
            print(f"{self.study.sweep.name}: {job.title} failed: {cause}\n  its log: {job.log}", flush=True)
            return
        if (run := look_up(job.key).run) != job.old:
            self.study.begun(job.number, run)
        self._fail(job.number, cause, job.log)
        self.close(job, "FAILED")

    def _fail(self, number: int, cause: str, log: Path) -> None:
        self.study.failed(number, cause)
        print(f"{self.study.sweep.name}: trial {number} failed: {cause}\n  its log: {log}", flush=True)
