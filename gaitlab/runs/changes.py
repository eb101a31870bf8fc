"""A run that goes on with another config from a step on: which fields may be others then, and what is remembered of it.

A run that diverged is worth going on with from before it did, at a lower rate. It is then a run of neither config, and says so: in its
folder, in its table, in its figures; the book finds it by neither (`runs.book`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gaitlab.config import deciding, differences
from gaitlab.experiment import Experiment
from gaitlab.home import read_plain, write_plain

FILE = "changes.json"
OPEN = (
    "optim.lr", "optim.schedule", "optim.milestones", "optim.gamma", "optim.warmup", "optim.least_lr", "optim.clip_norm", "optim.momentum",
    "optim.weight_decay", "train.precision", "train.max_bad_steps",
)  # fmt: skip
"""Fields that a step reads and no state depends on."""


def changed(before: Experiment, now: Experiment, where: str, also: Sequence[str] = ()) -> list[str]:
    """`field: before -> now` of what is another and may be. Rhythm, launcher and tables count for nothing. ValueError for other fields.

    where: who has the config from before. also: what is another besides, and may not be.
    """
    theirs, ours = (replace(deciding(of), benchmarks=()) for of in (before, now))
    fields = differences(theirs, ours)
    if fixed := [*(field for field in fields if field.partition(":")[0] not in OPEN), *also]:
        listed = "\n  ".join(fixed)
        raise ValueError(f"{where} was written by another config (then -> now):\n  {listed}\nset them back, or start a new run")
    return fields


def note_change(folder: Path, step: int, fields: Sequence[str]) -> None:
    """Into the run's folder: from `step` on it has other fields. What was noted of later steps never came to be."""
    earlier = [change for change in _noted(folder) if change["step"] < step]
    write_plain(folder / FILE, {"changes": [*earlier, {"step": step, "fields": list(fields)}]})


def changes(folder: Path) -> tuple[str, ...]:
    """A line for each time that the run went on with another config."""
    return tuple(f"from step {change['step']} on: {', '.join(change['fields'])}" for change in _noted(folder))


def _noted(folder: Path) -> list[dict[str, Any]]:
    path = folder / FILE
    if not path.exists():
        return []
    try:
        return [{"step": int(change["step"]), "fields": [str(f) for f in change["fields"]]} for change in read_plain(path)["changes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); put a whole one there, from a pack or a copy of the run") from None
