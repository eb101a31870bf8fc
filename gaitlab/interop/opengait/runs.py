"""An OpenGait YAML and `.pt` -> experiment and network, and a run folder that is tested and continued like one of our own.

The optimiser goes on where it stopped: OpenGait numbers its state by the order of the network's parameters, which is that of the
checkpoint's entries less batch norm's statistics.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gaitlab.data.draws import Subjects
from gaitlab.data.schema import MANIFEST
from gaitlab.data.shards import open_data, shard_folder
from gaitlab.experiment import Experiment
from gaitlab.interop.first_checkpoint import first_checkpoint
from gaitlab.interop.opengait.names import peer_names
from gaitlab.interop.opengait.recipe import read_recipe
from gaitlab.interop.opengait.weights import load_checkpoint, load_state, read_content
from gaitlab.method import Method, MethodConfig
from gaitlab.training.optim import Optimisers

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_SLOTS = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq")}


@dataclass(frozen=True, kw_only=True)
class PeerRun:
    """An OpenGait run as one of ours.

    subjects: training people in the order of the classes; numbers where the shards are not there. data_hash: of the shards, or "".
    notes: what of the configuration has no effect here. optimiser, continuing: a sentence each on what a continued run starts from.
    """

    experiment: Experiment
    method: Method
    step: int
    subjects: tuple[str, ...]
    data_hash: str
    optimisers: list[dict[str, Any]]
    notes: tuple[str, ...]
    optimiser: str
    continuing: str


def open_run(config: str | Path | Mapping[str, Any], weights: str | Path) -> tuple[Experiment, Method]:
    """Experiment and trained network, in evaluation mode, of an OpenGait YAML (or its content) and checkpoint."""
    run = read_run(config, weights)
    return run.experiment, run.method.eval()


def read_run(config: str | Path | Mapping[str, Any], weights: str | Path, root: str | None = None) -> PeerRun:
    """All of an OpenGait run. root: its shards, instead of those named as its data set; they must hold its training people."""
    state = load_checkpoint(weights)
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    recipe = read_recipe(config, shapes)
    experiment = recipe.experiment
    subjects = recipe.subjects or _classes(experiment.method, shapes)
    method = experiment.method.build(subjects or 1)  # a classifier without classes cannot be built, and `load_state` names it
    load_state(method, state)

    if root is not None:
        experiment = replace(experiment, data=replace(experiment.data, root=root))
    people, data_hash, continuing = _people(experiment, subjects, recipe.ingest, must=root is not None)
    beside = _beside(weights)
    step = 0 if recipe.reset_schedule else beside.get("iteration", 0)
    if type(step) is not int or step < 0:
        raise ValueError(f"{weights}: its 'iteration' is {str(step)[:60]!r}; it takes a whole number, or scheduler_reset: true in the YAML")
    optimisers = Optimisers(experiment.optim, method, experiment.train.steps)
    sentence = "starts afresh, as optimizer_reset says"
    if not recipe.reset_optimiser:
        sentence = _carry(beside.get("optimizer"), state, method, optimisers)
    return PeerRun(
        experiment=experiment,
        method=method,
        step=step,
        subjects=people,
        data_hash=data_hash,
        optimisers=optimisers.state_dict(),
        notes=recipe.notes,
        optimiser=sentence,
        continuing=continuing,
    )


def write_run(run: PeerRun, folder: Path) -> None:
    """The run's checkpoint and config in `folder`, which must not hold any yet."""
    first_checkpoint(
        folder, run.experiment, run.method, step=run.step, optimisers=run.optimisers, subjects=run.subjects, data_hash=run.data_hash
    )


def _classes(config: MethodConfig, shapes: Mapping[str, Sequence[int]]) -> int:
    """Classes of the checkpoint's classifier; 0 where the network has none (or the checkpoint lacks it, which `load_state` names)."""
    one, two = config.blueprint(1), config.blueprint(2)
    wider = two.state_dict()
    for name, theirs in peer_names(one).items():
        a, b = one.state_dict()[name].shape, wider[name].shape
        axes = [axis for axis, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
        if axes and axes[0] < len(shapes.get(theirs, ())):
            return int(shapes[theirs][axes[0]])
    return 0


def _people(experiment: Experiment, classes: int, ingest: str, *, must: bool) -> tuple[tuple[str, ...], str, str]:
    """Training people, hash of the shards and how to go on; a class is a position among the sorted people, here as there."""
    nobody, root = tuple(map(str, range(classes))), experiment.data.root
    folder = shard_folder(experiment.data)
    if not must and not (folder / MANIFEST).exists():
        return nobody, "", f"needs the shards {root}: {ingest}\nthen import once more"
    store = open_data(experiment.data)
    training = tuple(Subjects.of(store.index, "train").names) if (store.index["split"] == "train").any() else ()
    if training and len(training) == (classes or len(training)):
        return training, store.hash, ""
    there = f"{folder} has {len(training) or 'no'} training people, the checkpoint {classes or 'any number of'} classes"
    if must:
        raise ValueError(f"{there}; leave --root out to test only, or ingest with the partition of the training: {ingest}")
    return nobody, "", f"is not possible: {there}"


# -- optimiser state ---------------------------------------------------------------------------------------------------


def _beside(path: str | Path) -> dict[str, Any]:
    """What a checkpoint that `load_checkpoint` has read holds besides the weights."""
    content = read_content(path)
    return content if "model" in content else {}


def _carry(theirs: Any, state: Mapping[str, Tensor], method: Method, ours: Optimisers) -> str:
    """Put OpenGait's optimiser state into `ours`; what was done, as a sentence."""
    if not theirs:
        return "starts afresh: the checkpoint holds none"
    try:
        order = [i for group in theirs["param_groups"] for i in group["params"]]
        held = [dict(theirs["state"][i]) for i in order]
    except (LookupError, TypeError, ValueError):
        return "starts afresh: some parameters have no state in the checkpoint"
    names = [name for name in state if name.rpartition(".")[2] not in _STATISTICS]
    slots = _SLOTS[ours.config.name]
    if len(order) != len(names) or len(ours.parameters) != len(list(method.parameters())) or len(ours.all) != 1:
        return f"starts afresh: it has {len(order)} parameters, the network {len(names)}"
    if names == sorted(names):
        return "starts afresh: the checkpoint's entries were sorted, so their order says nothing"
    if len({float(entry.get("step", 0)) for entry in held}) > 1:
        return "starts afresh: its parameters have made different numbers of steps"
    if not all(isinstance(entry.get(slot), Tensor) for entry in held for slot in slots):
        return f"starts afresh: it holds no {' and '.join(slots)}, as {ours.config.name} has"
    statistics = {name: value for name, value in state.items() if name not in set(names)}
    moments: dict[str, dict[str, Tensor]] = {}
    for slot in slots:
        carrier = deepcopy(method)
        try:
            load_state(carrier, statistics | {name: entry[slot] for name, entry in zip(names, held, strict=True)})
        except ValueError:
            return "starts afresh: its shapes are not those of the network's parameters"
        moments[slot] = carrier.state_dict()
    position = {id(parameter): i for i, parameter in enumerate(ours.parameters)}
    steps = {float(entry["step"]) for entry in held if "step" in entry}
    counter = {"step": torch.tensor(steps.pop())} if len(steps) == 1 else {}
    (content,) = ours.state_dict()
    content["state"] = {
        position[id(parameter)]: {slot: moments[slot][name].clone() for slot in slots} | {k: v.clone() for k, v in counter.items()}
        for name, parameter in method.named_parameters()
    }
    ours.load_state_dict([content])
    return f"goes on with its {' and '.join(slots)}"
