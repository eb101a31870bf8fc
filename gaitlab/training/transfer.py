"""Parts of an earlier run's network as the beginning of another."""

from pathlib import Path

from gaitlab.experiment import Experiment, InitConfig
from gaitlab.home import home
from gaitlab.method import Method
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import run_named
from gaitlab.training.border import Run
from gaitlab.training.trained import trained


def check_transfer(experiment: Experiment) -> None:
    """ValueError unless `init` names both a run with a checkpoint and parts, or no run."""
    init = experiment.init
    if bool(init.run) is not bool(init.parts):
        missing = "--init.run RUN_ID, or --init.parts with nothing behind it to start afresh" if init.parts else "--init.parts"
        raise ValueError(f"{experiment.name} starts from a part of another run only with both: give {missing}")
    if init.run is not None:
        _source(init.run)


def _source(run: str) -> Path:
    """Folder of the run to start from."""
    folder = run_named(run)
    if not folder.is_dir():
        raise ValueError(f"init.run: no run {run!r} in {home() / 'runs'}, and no folder of that name")
    if not checkpoint.found(folder):
        raise ValueError(f"init.run: run {run} has no checkpoint yet in {folder}")
    return folder


def start_from(method: Method, init: InitConfig, run: Run) -> None:
    """Copy the parts that `init` names into `method`. ValueError, before anything is copied, that names every misfit."""
    if init.run is None:
        return
    folder = _source(init.run)
    earlier, source = trained(folder, run)
    faults: list[str] = []
    for part in init.parts:
        modules = [dict(network.named_modules()).get(part) for network in (source, method)]
        if None in modules:
            which = f"of {earlier.name}" if modules[0] is None else "to train"
            there = ", ".join(name for name, _ in (source if modules[0] is None else method).named_children())
            raise ValueError(f"init.parts: the network {which} has no {part!r}; it has {there}")
        theirs, ours = (module.state_dict() for module in modules if module is not None)
        faults += [f"{part}.{name} (only in the run)" for name in theirs.keys() - ours.keys()]
        faults += [f"{part}.{name} (missing)" for name in ours.keys() - theirs.keys()]
        shapes = {name: (list(theirs[name].shape), list(ours[name].shape)) for name in theirs.keys() & ours.keys()}
        faults += [f"{part}.{name} (shape {a}, here {b})" for name, (a, b) in shapes.items() if a != b]
    if faults:
        raise ValueError(f"run {folder.name} does not fit: {'; '.join(sorted(faults))}")
    for part in init.parts:
        weights = source.get_submodule(part).state_dict()
        method.get_submodule(part).load_state_dict(weights)
        if run.rank == 0:
            print(f"{part}: {len(weights)} tensors from {earlier.name}, run {folder.name}", flush=True)
