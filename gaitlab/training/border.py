"""The border of the training loop: what it asks of whatever runs it, and of whatever remembers its figures.

Implementations: `training.run` (this process, torchrun), `cluster.run` (Ray Train), `cluster.trial` (Ray Tune); `tracking.runs`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from torch import nn

from gaitlab.method import Method

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

T = TypeVar("T")


class Run(Protocol):
    """One process of a run: its place among the others, its device, and where checkpoints go."""

    rank: int
    world: int
    device: torch.device

    @property
    def results(self) -> Path:
        """Folder that outlives the run, for files that people look for."""
        ...

    def wrap(self, method: Method) -> nn.Module:
        """The method on the device, with synchronised batch norm and gradients where there are several ranks."""
        ...

    def save(self, state: dict[str, Any], step: int, metrics: dict[str, float], best: int | None) -> None:
        """Keep `state` as the checkpoint of `step`; every rank calls it."""
        ...

    def load(self, step: int | None = None) -> dict[str, Any] | None:
        """The newest checkpoint of this run (None if there is none), or that of `step`; on the CPU."""
        ...

    def evaluated(self, step: int, score: float) -> None:
        """A score on the way, not the last; every rank calls it."""
        ...

    def gather(self, value: T) -> list[T]:
        """`value` of every rank, on every rank."""
        ...


class Tracker(Protocol):
    """What is remembered of a run, on rank 0 of it."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Points of curves at optimiser step `step`."""

    def final(self, metrics: Mapping[str, float]) -> None:
        """Results of the run: one value each, the newest counts."""

    def flush(self) -> None:
        """Returns when all that was logged is safe; a checkpoint follows it."""

    def table(self, name: str, frame: "pandas.DataFrame") -> None:
        """A table; replaces an older one of that name."""

    def figure(self, name: str, draw: "Callable[[], Figure]") -> None:
        """A picture, drawn if it is kept."""

    def film(self, name: str, draw: "Callable[[], bytes]") -> None:
        """A moving picture, GIF, drawn if it is kept."""

    def text(self, name: str, text: str) -> None:
        """A file NAME (with its ending)."""
