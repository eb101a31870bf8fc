"""Weights from elsewhere as a run of ours: a folder with a config and one checkpoint."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gaitlab.config import to_dict
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import has_config, keep_config


def first_checkpoint(
    folder: Path,
    experiment: Experiment,
    method: Method,
    *,
    optimisers: list[dict[str, Any]],
    step: int = 0,
    subjects: Sequence[str] = (),
    data_hash: str = "",
) -> None:
    """Write the run. ValueError if the folder holds one already. The arguments are what a checkpoint holds (`training.loop`)."""
    if has_config(folder) or checkpoint.found(folder):
        raise ValueError(f"{folder} holds a run already; name another --out")
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "step": step,
        "seed": experiment.seed,
        "method": method.state_dict(),
        "optimisers": optimisers,
        "scaler": torch.amp.GradScaler("cpu", enabled=experiment.train.precision == "float16").state_dict(),
        "averaged": None,
        "best": {"step": 0, "score": float("-inf")},
        "config": json.dumps(to_dict(experiment)),
        "data_hash": data_hash,
        "subjects": list(subjects),
    }
    checkpoint.write(checkpoint.step_path(folder, step), content)
    keep_config(experiment, folder)
