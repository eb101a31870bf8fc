"""A sweep on this machine, without Ray: jobs side by side in processes of their own, threads and GPUs divided among them."""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from gaitlab.ensure import Here
from gaitlab.sweeps.job import Task, logged, run
from gaitlab.sweeps.trials import Job, Trials
from gaitlab.tracking.provenance import cores
from gaitlab.training.interrupt import Interrupted
from gaitlab.training.run import LocalRun

LOOK_SECONDS = 0.2
PRELOADED = ["gaitlab.sweeps.here", "torch._dynamo", "matplotlib.backends.backend_agg", "mlflow", "mlflow.store.tracking.sqlalchemy_store"]
"""What jobs would import anyway, once for all of them; what is not installed is passed over."""
PATIENCE = 120.0
"""Seconds that a job which is asked to stop has for its step, its evaluation and its checkpoint."""


def run_here(trials: Trials, tasks: Callable[[Job], Task], *, minutes: float | None = None) -> bool:
    """Run what is left, `trials.places` jobs at a time. False if it was stopped, by Ctrl-C or after so many minutes, with all resumable.

    tasks: job -> `Task`.
    """
    until = time.monotonic() + 60 * minutes if minutes else float("inf")
    jobs: list[_Process] = []
    try:
        while time.monotonic() <= until:
            while len(jobs) < trials.places and (job := trials.take()) is not None:
                jobs.append(_Process(job, tasks(job), place=_free([j.place for j in jobs]), places=trials.places))
            if not jobs and trials.done:
                return True
            time.sleep(LOOK_SECONDS)
            for process in list(jobs):
                if not process.listen(trials):
                    jobs.remove(process)
                    trials.ended(process.job, process.cause, early=process.stopped)
            trials.note_begun()
            if trials.progress.due():
                trials.log()
        print(f"{trials.study.sweep.name}: {minutes:g} minutes are over", flush=True)
    finally:
        if jobs or not trials.done:
            _stop(jobs)
            for process in jobs:
                process.listen(trials)
                if process.finished:
                    trials.ended(process.job)
            trials.stopped()
    return False


def _free(taken: Sequence[int]) -> int:
    return next(place for place in range(len(taken) + 1) if place not in taken)


def _stop(jobs: Sequence["_Process"]) -> None:
    """Each ends its step, saves, and is gone. What does not, or all after another Ctrl-C, is killed."""
    for process in jobs:
        process.ask(signal.SIGTERM)
    until = time.monotonic() + PATIENCE
    try:
        for process in jobs:
            process.join(max(0.0, until - time.monotonic()))
    except KeyboardInterrupt:
        for process in jobs:
            process.join(0)


class _Process:
    """A job's process. place: its number among those that run, by which it gets a GPU."""

    def __init__(self, job: Job, task: Task, *, place: int, places: int) -> None:
        self.job, self.place, self.stopped, self.cause, self.finished = job, place, False, "", False
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._ear, mouth = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(task, mouth, place, places))
        hearing = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as of Ctrl-C, the sweep hears of a terminal that goes, and asks in turn
        try:
            self._process.start()
        finally:
            signal.signal(signal.SIGHUP, hearing)
        mouth.close()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def listen(self, trials: Trials) -> bool:
        """Take what it has said; stop it if that is enough for the sweep's stopper. Whether more may come."""
        alive = self.alive
        try:
            while self._ear.poll():
                kind, *told = self._ear.recv()
                if kind == "score":
                    trials.heard(self.job, *told)
                    if not self.stopped and trials.should_stop(self.job):
                        self.stopped = True
                        self.ask(signal.SIGTERM)
                elif kind == "cause":
                    self.cause = told[0]
                else:
                    self.finished, self.stopped = True, False
        except EOFError:
            pass
        if not alive and not (self.finished or self.cause or self.stopped):
            self.cause = f"its process died (exit code {self._process.exitcode}), by a signal or for lack of memory"
        return alive

    def ask(self, number: int) -> None:
        if self.alive and self._process.pid:
            os.kill(self._process.pid, number)

    def join(self, seconds: float) -> None:
        self._process.join(seconds)
        if self.alive:
            self._process.kill()
            self._process.join()


def _work(task: Task, mouth: Connection, place: int, places: int) -> None:
    """In the job's process."""
    import torch

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches the sweep, which asks in turn
    torch.set_num_threads(max(1, cores() // places))
    if torch.cuda.device_count() > 1:
        torch.cuda.set_device(place % torch.cuda.device_count())
    with logged(task) as causes:
        try:
            run(task, Here(partial(_Told, mouth=mouth)))
            with contextlib.suppress(OSError):
                mouth.send(("end",))
        except (Interrupted, SystemExit):
            return
    if causes:
        mouth.send(("cause", causes[0]))


class _Told(LocalRun):
    """One process whose evaluations the sweep hears."""

    def __init__(self, folder: Callable[[], Path], *, keep: int, mouth: Connection) -> None:
        super().__init__(folder, keep=keep)
        self._mouth = mouth

    def evaluated(self, step: int, score: float) -> None:
        with contextlib.suppress(OSError):  # the sweep is gone; the run goes on, and is there when the sweep is started again
            self._mouth.send(("score", step, score))
