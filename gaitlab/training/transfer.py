"""What can be known of an experiment's transfers before anything is trained: runs are there, parts fit, people are the same."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

from torch import nn

from gaitlab.data.feed import learners
from gaitlab.data.shards import expected_data, open_training
from gaitlab.experiment import Experiment
from gaitlab.home import home
from gaitlab.nn.frozen import Frozen, part_of
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import run_named, stored_experiment
from gaitlab.training.trained import misfits


def check_transfers(experiment: Experiment, resume: str | None = None) -> None:
    """ValueError for a run that is not there and for parts that do not fit, by shapes alone: no data are made, no network is trained.

    Also of what those experiments stand on in turn. resume: run that is to go on, which cannot stand on itself.
    """
    taken: dict[str, float] = {}
    for place, transfer in enumerate(experiment.init):
        where = f"{experiment.name}, init.{place}"
        for here in transfer.parts.values():
            _check_place(here, transfer.lr_ratio, taken, where)
            taken[here] = transfer.lr_ratio
        if transfer.of == resume:
            raise ValueError(f"{where}: run {resume} would stand on itself; give another run")
        if isinstance(transfer.of, Experiment):
            check_transfers(transfer.of)
            source = transfer.of
        elif resume is None:
            source = _earlier(transfer.of, where)[0]
        else:  # what is frozen of it is checked when it is opened, the rest is in the run's checkpoint
            continue
        theirs, ours = source.method.blueprint(2), experiment.method.blueprint(2)
        for here in transfer.parts.values() if transfer.lr_ratio else ():
            if isinstance(part_of(ours, here), Frozen):
                raise ValueError(f"{where}: {here} takes a frozen network: lr_ratio 0, not {transfer.lr_ratio:g}")  # noqa: TRY004
        if faults := misfits(theirs, ours, transfer.parts, where):
            raise ValueError(f"{where}: {source.name} does not fit: {'; '.join(faults)}")


def _check_place(here: str, lr_ratio: float, taken: Mapping[str, float], where: str) -> None:
    """taken: place -> ratio of the transfers before."""
    if not here and not lr_ratio:
        raise ValueError(f"{where}: the whole network cannot be frozen, or nothing is left to train; name its parts")
    for other, ratio in taken.items():
        inside = f"{here}.".startswith(f"{other}." if other else "") or f"{other}.".startswith(f"{here}." if here else "")
        if here == other or (inside and not (lr_ratio and ratio)):
            raise ValueError(f"{where}: {here or 'the network'} and {other or 'the network'} are one place, or one in the other and frozen")


def check_people(experiment: Experiment) -> None:
    """ValueError if a classifier is taken from a network that learnt other people, or other conditions."""
    for place, transfer in enumerate(experiment.init):
        where = f"{experiment.name}, init.{place}"
        if of_conditions := [name for here in transfer.parts.values() for name in _of_conditions(experiment, here)]:
            source = transfer.of if isinstance(transfer.of, Experiment) else _earlier(transfer.of, where)[0]
            learnt, asked = source.method.targets(), experiment.method.targets()
            if learnt != asked:
                raise ValueError(
                    f"{where}: {of_conditions[0]} tells {', '.join(learnt) or 'people'} apart, here it is to be {', '.join(asked)}; "
                    "leave that part out"
                )
        classifiers = [name for here in transfer.parts.values() for name in of_people(experiment, here)]
        if not classifiers:
            continue
        ours = _people(experiment)
        if isinstance(transfer.of, Experiment):
            theirs = _people(transfer.of)
        else:
            theirs = _earlier(transfer.of, where)[1]
        if theirs != ours:
            raise ValueError(
                f"{where}: {classifiers[0]} tells the {len(theirs)} people apart that it was trained with, here are {len(ours)} others; "
                "leave that part out"
            )


def _people(experiment: Experiment) -> list[str]:
    return learners(open_training(experiment.data, first=expected_data(experiment.data)), experiment.method.clips()).names


def _earlier(run: str, where: str) -> tuple[Experiment, list[str]]:
    """Experiment and training people of a run. ValueError if it is not there, or cannot be read."""
    folder = run_named(run)
    if Path(run).is_file():
        raise ValueError(
            f"{where}: {run} is a file; a run is made of it by python pipelines/opengait.py import CONFIG.yaml {run} --out NAME"
        )
    if not folder.is_dir():
        raise ValueError(f"{where}: no run {run!r} in {home() / 'runs'}, and no folder of that name")
    if not checkpoint.found(folder):
        raise ValueError(f"{where}: run {run} has no checkpoint yet in {folder}")
    state = checkpoint.chosen(folder)[1]
    return stored_experiment(json.loads(state["config"]), folder), list(state["subjects"])


def of_people(experiment: Experiment, part: str = "") -> list[str]:
    """Tensors of a part whose shape depends on the number of training people."""
    return _unequal(part, *(experiment.method.blueprint(people) for people in (2, 3)))


def _of_conditions(experiment: Experiment, part: str) -> list[str]:
    """Tensors of a part whose shape depends on the number of conditions that are told apart."""
    method, targets = experiment.method, experiment.method.targets()
    if not targets:
        return []
    more = {field.name: (*targets, "another") for field in fields(method) if getattr(method, field.name) == targets}
    return _unequal(part, method.blueprint(2), replace(method, **more).blueprint(2))


def _unequal(part: str, *networks: nn.Module) -> list[str]:
    """Tensors of a part that have another shape in the second network than in the first."""
    shapes = []
    for network in networks:
        module = part_of(network, part)
        tensors = {} if module is None else module.state_dict()
        shapes.append({f"{part}.{name}" if part else name: tensor.shape for name, tensor in tensors.items()})
    return [name for name, shape in shapes[0].items() if shapes[1][name] != shape]
