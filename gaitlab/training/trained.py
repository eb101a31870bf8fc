"""The network of an earlier run."""

import json
from pathlib import Path

from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import stored_experiment
from gaitlab.training.border import Run


def trained(folder: Path, run: Run) -> tuple[Experiment, Method]:
    """The experiment and the network of a run's folder of checkpoints: its best step, else its newest."""
    state = checkpoint.newest(folder)
    if state is None:
        raise ValueError(f"no checkpoint in {folder}")
    if state["best"]["step"] not in (0, state["step"]):
        state = checkpoint.at(folder, state["best"]["step"])
    experiment = stored_experiment(json.loads(state["config"]), folder)
    method = experiment.method.build(len(state["subjects"])).to(run.device)
    averaged = {k.removeprefix("module."): v for k, v in (state["averaged"] or {}).items() if k.startswith("module.")}
    checkpoint.restore(method, averaged or state["method"], f"the checkpoint in {folder}")
    return experiment, method
