"""Checkpoints: one file a step, written atomically, verified when they are read, and without unpickling anything but tensors and plain
values.

A checkpoint holds the method's weights, the optimisers, the gradient scaler, the moving average, the step and the config.
Every generator of a run is made anew from (seed, step), so that the pair is the whole random state; the learning rate is a
function of the step. A run that is killed and resumed is therefore the run that was never killed, bit for bit.
"""

import hashlib
import json
import os
import pickle
import re
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from gaitlab.config import from_dict
from gaitlab.experiment import Experiment
from gaitlab.home import to_disk
from gaitlab.runs.changes import changed

FORMAT = 1
_NAME = re.compile(r"step-(\d{8})\.pt")


def write(path: Path, state: dict[str, Any]) -> None:
    """Save `state` at `path`: complete or not at all, also after kill -9 or on a full disk (OSError)."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            torch.save(state | {"format": FORMAT}, file)
            to_disk(file)
        partial.replace(path)
    except RuntimeError as error:  # torch's zip writer turns a full disk into a RuntimeError
        raise OSError(f"could not write {path}: {str(error).splitlines()[0]}; is the disk full?") from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content. ValueError if a bit of the file is another than was written, if it holds code, or is not ours.

    On the CPU, since loading copies anyway, and since Adam's step counters on a GPU would make it wait at every parameter.
    """
    try:
        with path.open("rb") as file:
            check_sums(file)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"no checkpoint at {path}") from None
    except pickle.UnpicklingError:
        raise ValueError(f"{path} is not a readable checkpoint: it is damaged, or holds more than tensors and plain values") from None
    except Exception as error:  # noqa: BLE001  (damaged bytes raise nearly anything)
        why = " ".join(str(error).split())[:60] or "empty"
        raise ValueError(f"{path} is not a readable checkpoint: it is cut or damaged ({why})") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} is no gaitlab checkpoint of format {FORMAT}")
    return state


def check_sums(file: BinaryIO) -> None:
    """ValueError for a damaged checkpoint: torch reads a flipped bit without a word, the sums in its zip file tell."""
    try:
        damaged = zipfile.ZipFile(file).testzip()
    except Exception as error:  # noqa: BLE001  (a zip file's directory may be damaged in any way)
        damaged = str(error)
    if damaged:
        raise ValueError(f"{file.name} is not a readable checkpoint: it is cut or damaged ({damaged})")


def step_path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.pt"


def found(folder: Path) -> dict[int, Path]:
    """Step -> checkpoint in `folder`, ascending; those that Ray Train keeps lie one folder deeper."""
    paths = [*folder.glob("step-*/step-*.pt"), *folder.glob("step-*.pt")]
    return dict(sorted((int(match[1]), path) for path in paths if (match := _NAME.fullmatch(path.name))))


def newest(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be read; a damaged one is reported and passed over. None if there is none.

    ValueError if there are some and none can be read: to start over would overwrite them.
    """
    paths = found(folder)
    for path in reversed(paths.values()):
        try:
            return read(path)
        except ValueError as error:
            print(f"passed over: {error}", flush=True)
    if paths:
        raise ValueError(f"none of the checkpoints in {folder} can be read; put a whole one there, or start a new run")
    return None


def at(folder: Path, step: int) -> dict[str, Any]:
    """The checkpoint of `step`. ValueError if it is gone or damaged."""
    return read(found(folder).get(step, step_path(folder, step)))


def chosen(folder: Path) -> tuple[Path, dict[str, Any]]:
    """File and content of the checkpoint that a run is known by: its best step, else its newest. ValueError if there is none."""
    state = newest(folder)
    if state is None:
        raise ValueError(f"no checkpoint in {folder}")
    best: Any = state.get("best")
    kinds = {"step": int, "config": str, "subjects": list, "method": dict}
    lacking = [name for name, kind in kinds.items() if not isinstance(state.get(name), kind)]
    if not isinstance(best, dict) or not isinstance(best.get("step"), int):
        lacking.append("best")
    if lacking:
        raise ValueError(f"the checkpoint in {folder} is no whole one: {', '.join(lacking)} are missing, or of another type")
    if best["step"] not in (0, state["step"]):
        state = at(folder, state["best"]["step"])
    return found(folder)[state["step"]], state


def content(folder: Path) -> str:
    """Hash of the file of `chosen`."""
    return sha256(chosen(folder)[0])


def sha256(file: Path) -> str:
    """Of a file's content; read once as long as the file is the same."""
    about = file.stat()
    return _sha256(file, about.st_mtime_ns, about.st_size)


@cache
def _sha256(file: Path, changed: int, size: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def restore(method: nn.Module, weights: dict[str, Any], where: str) -> None:
    """Put `weights` into `method`. ValueError when they are of another network, as after a change of the code."""
    try:
        method.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ValueError(f"{where} does not fit the network that its config builds with this code: {first[:300]}") from None


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the best; what Ray Train keeps is left to it."""
    for left in folder.glob(".step-*.partial"):  # by a process that was killed while it wrote
        left.unlink(missing_ok=True)
    own = {step: path for step, path in found(folder).items() if path.parent == folder}
    for step, path in list(own.items())[:-keep]:
        if step != best:
            path.unlink(missing_ok=True)


def check_same(state: dict[str, Any], experiment: Experiment, data_hash: str, where: str) -> list[str]:
    """What `changes.changed` says of the config that the checkpoint is of. ValueError also if the data are others."""
    data = [f"data: {state['data_hash'][:12]} -> {data_hash[:12]}"] if state["data_hash"] != data_hash else []
    return changed(from_dict(json.loads(state["config"]), Experiment), experiment, where, data)
