"""Networks of earlier runs: to test them, or to start from their parts."""

import json
from pathlib import Path

from gaitlab.experiment import Experiment, InitConfig, from_dict
from gaitlab.home import home, run_named
from gaitlab.method import Method
from gaitlab.runs import checkpoint
from gaitlab.training.run import LocalRun


def trained(folder: Path, run: LocalRun) -> tuple[Experiment, Method]:
    """The experiment and the network of a run's folder of checkpoints: its best step, else its newest."""
    state = checkpoint.newest(folder)
    if state is None:
        raise ValueError(f"no checkpoint in {folder}")
    if state["best"]["step"] not in (0, state["step"]):
        state = checkpoint.at(folder, state["best"]["step"])
    experiment: Experiment = from_dict(json.loads(state["config"]))
    method = experiment.method.build(len(state["subjects"])).to(run.device)
    averaged = {k.removeprefix("module."): v for k, v in (state["averaged"] or {}).items() if k.startswith("module.")}
    checkpoint.restore(method, averaged or state["method"], f"the checkpoint in {folder}")
    return experiment, method


def start_from(method: Method, init: InitConfig, run: LocalRun) -> None:
    """Copy the parts that `init` names into `method`. ValueError, before anything is copied, that names every misfit."""
    if init.run is None or not init.parts:
        return
    folder = run_named(init.run)
    if not folder.is_dir():
        raise ValueError(f"init.run: no run {init.run!r} in {home() / 'runs'}, and no folder of that name")
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
