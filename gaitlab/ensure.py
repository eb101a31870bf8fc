"""A run and all that it stands on, each trained once: taken where it is finished, gone on with where it was cut short, else begun."""

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Protocol

from gaitlab.data.ingest import ShardMap
from gaitlab.experiment import Experiment
from gaitlab.runs import checkpoint, claim
from gaitlab.runs.book import held, identity, identity_of, newest_but, note_run, part_ways
from gaitlab.runs.changes import changed
from gaitlab.runs.folder import keep_config, read_config, read_outcome, run_folder
from gaitlab.runs.summary import Summary
from gaitlab.tracking.origins import of_commit
from gaitlab.tracking.runs import MlflowTracker, NoTracker
from gaitlab.training.fit import fit
from gaitlab.training.interrupt import Interrupted
from gaitlab.training.ready import Ready, foresee, made
from gaitlab.training.run import LocalRun, TorchrunRun, agreed, processes, under_torchrun
from gaitlab.training.trained import sources
from gaitlab.training.transfer import check_transfers

AnyTracker = MlflowTracker | NoTracker


class Launcher(Protocol):
    """Where runs are trained. ingest: how data that are not there are made, None for processes of this machine."""

    ingest: ShardMap | None

    def processes(self, experiment: Experiment) -> int:
        """That share a batch."""
        ...

    def train(self, ready: Ready, tracker: AnyTracker, *, resume: bool) -> Summary:
        """Train and test, from the run's newest checkpoint if it is to be resumed."""
        ...


def ensure(
    experiment: Experiment,
    launcher: Launcher,
    *,
    resume: str | None = None,
    fresh: bool = False,
    tracking: bool = True,
    parent: str | None = None,
    tags: Mapping[str, str] = {},
    uri: str | None = None,
    how: Callable[[str], str] | None = None,
    quiet: bool = False,
    key: str | None = None,
) -> Summary:
    """What the run of an experiment came to, after training it and what it stands on as far as that is not done.

    resume: id of a run to go on with, whatever the book says. fresh: train anew. tracking: False: no MLflow. parent, tags, uri:
    of runs that begin, for MLflow. how: run's id -> what to type when it is cut short. quiet: without the table of what is done.
    key: of the identity that is expected.
    Raises what `training.loop.train` raises; ValueError for what can be known before, with nothing begun.
    """
    go_on = how or partial(resume_line, tracking=tracking)
    check_transfers(experiment, resume)
    others = _going_on(resume, experiment) if resume else []
    below = experiment.all_below if resume is None else []
    ready = _prepared([*below, experiment], launcher, resume=resume is not None)
    of = (resume and identity_of(resume)) or identity(experiment)
    if key not in (None, of.key):
        raise ValueError(f"{experiment.name}: code or data are not what they were when the sweep began; give its command again")
    with agreed(lambda: held(of.key, experiment.name, fresh=fresh)) as entry, ExitStack() as held_on:
        if resume is None and (outcome := entry.outcome):
            shown = "" if quiet else f"; --fresh trains anew\n\n{outcome.text()}\n"
            say(f"{experiment.name}: run {entry.run}{of_commit(entry.run)} has it{shown}")
            return outcome
        if resume is None and entry.begun:
            resume = entry.run
            say(f"{experiment.name}: goes on with run {resume}; --fresh trains anew")
        elif resume is None and not fresh and (older := newest_but(of, experiment.name))[0]:
            say(f"{experiment.name}: a new run, since {older[1]} another than in run {older[0]}; --resume {older[0]} takes that one")
        if resume is None or not checkpoint.found(run_folder(resume)):
            for first in experiment.stands_on:
                say(f"{experiment.name} stands on {first.name}")
                ensure(first, launcher, tracking=tracking, parent=parent, uri=uri, how=how, quiet=True)
            sources(experiment)  # a damaged one is told before a run is opened

        def begun(run: str) -> None:
            """At once, so that a run that is killed before its first checkpoint is found again."""
            keep_config(experiment, run_folder(run))
            if resume is None:
                note_run(of, run, parent or "")

        def claimed(run: str) -> None:
            held_on.enter_context(claim.trains(run_folder(run)))
            begun(run)

        tracker: AnyTracker = NoTracker(resume)
        if not rank():
            if resume is not None:
                claimed(resume)
                if others:
                    part_ways(resume, of, experiment)
                    keep_config(experiment, run_folder(resume), again=True)
            tracker = MlflowTracker.start(
                experiment, data_hash=ready.training.hash, run_id=resume, token=entry.token, parent=parent,
                tags={**tags, "changed": "; ".join(others)} if others else tags,
                uri=uri if tracking else "", system_metrics=isinstance(launcher, Here),  # on Ray the workers watch
                begins=claimed, renamed=begun, known=lambda run: print(f"run {run}; if it is cut short, {go_on(run)}", flush=True),
            )  # fmt: skip
        with tracker:
            try:
                summary = launcher.train(ready, tracker, resume=resume is not None)
            except (Interrupted, KeyboardInterrupt, SystemExit) as stop:
                if rank():
                    sys.exit(130)
                if parent is not None and not isinstance(stop, Interrupted):
                    raise  # a sweep says how to go on with it
                with contextlib.suppress(KeyboardInterrupt):
                    tracker.finish("KILLED")
                code = stop.code if isinstance(stop, (Interrupted, SystemExit)) else 130
                raise Interrupted(getattr(stop, "step", None), go_on(tracker.run_id), int(code or 0)) from None
            summary = replace(summary, run=tracker.run_id)
            say(f"\n{summary.text()}")
    if isinstance(tracker, MlflowTracker) and parent is None:
        say(f"\n{'look at the run' if tracker.uri else 'bring it into MLflow'} with: {tracker.how_to_open()}")
    return summary


def _prepared(experiments: Sequence[Experiment], launcher: Launcher, *, resume: bool) -> Ready:
    """The last of the experiments; the data of all are made, after all have been asked what can be known before."""
    foreseen = [foresee(each, launcher.processes(each), resume=resume) for each in experiments]
    return [made(each, launcher.processes(each.experiment), resume=resume, ingest=launcher.ingest) for each in foreseen][-1]


def _going_on(run: str, experiment: Experiment) -> list[str]:
    """Fields with which the run goes on otherwise than before (`runs.changes`). ValueError if it cannot."""
    others = changed(read_config(run_folder(run)), experiment, f"run {run}")
    if not others:
        return []
    said = ", ".join(others)
    if read_outcome(run_folder(run)):
        raise ValueError(f"run {run} is finished, so nothing is left of it for {said}; another may start from it: --init {run}:PART,...")
    if not checkpoint.found(run_folder(run)):
        raise ValueError(f"run {run} has no checkpoint from which it could go on with {said}; leave --resume out to begin a new one")
    return others


class Here:
    """In this process, or as one of torchrun's.

    run: a kind of `LocalRun`, for launchers that want to hear of evaluations.
    """

    ingest: ShardMap | None = None

    def __init__(self, run: Callable[..., LocalRun] = LocalRun) -> None:
        self._run = run

    def processes(self, experiment: Experiment) -> int:
        return processes()

    def train(self, ready: Ready, tracker: AnyTracker, *, resume: bool) -> Summary:
        keep = ready.experiment.train.keep
        if not under_torchrun():
            return fit(ready, self._run(lambda: tracker.folder, keep=keep), tracker, resume=resume)
        ids: list[str] = []
        run = TorchrunRun(lambda: run_folder(ids[0]), keep=keep)
        ids += run.gather(tracker.run_id)
        return fit(ready, run, tracker, resume=resume)


def resume_line(run_id: str, *, tracking: bool) -> str:
    """What to type to go on with a run."""
    if "__file__" not in vars(sys.modules["__main__"]):  # a notebook
        return f"go on with: gaitlab.train(experiment, resume={run_id!r}{'' if tracking else ', tracking=False'})"
    torchrun = ["torchrun", "--nproc-per-node", os.environ.get("LOCAL_WORLD_SIZE", "1")]
    start = torchrun if under_torchrun() else ["python"]
    untracked = [] if tracking else ["--no-tracking"]
    line = shlex.join([*start, sys.argv[0], "--resume", run_id, *untracked])
    return f"go on with: {line}" if "--fresh" in sys.argv else f"give the same command again, or: {line}"


def rank() -> int:
    """Of this process among torchrun's."""
    return int(os.environ.get("RANK", "0")) if under_torchrun() else 0


def say(line: str) -> None:
    """On one of torchrun's ranks."""
    if not rank():
        print(line, flush=True)
