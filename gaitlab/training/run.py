"""Runs in this process: alone, or as one of torchrun's (`training.border.Run`). Ray's are in `gaitlab.cluster`."""

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gaitlab.method import Method
from gaitlab.nn.memory import keep_freed_memory
from gaitlab.nn.syncnorm import synchronise
from gaitlab.runs import checkpoint

T = TypeVar("T")

# The name of the switch from torch 2.13 on, and before.
_NO_BUFFER_SYNC: dict[str, Any] = (
    {"forward_sync_buffers": False}
    if "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    else {"broadcast_buffers": False}
)


def best_device(index: int = 0) -> torch.device:
    return torch.device("cuda", index) if torch.cuda.is_available() else torch.device("cpu")


class LocalRun:
    """One process, one device; checkpoints in `folder()`. Also the base of the others.

    folder: called at the first checkpoint, because a run's folder is named by an id that a slow tracking store gives.
    """

    def __init__(self, folder: Callable[[], Path], *, keep: int = 2, device: torch.device | None = None) -> None:
        self._folder, self.keep = folder, keep
        self.device = device or best_device()
        self.rank, self.world = 0, 1
        if self.device.type == "cpu":
            keep_freed_memory()

    @cached_property
    def folder(self) -> Path:
        """Folder of this run's checkpoints."""
        path = self._folder()
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def results(self) -> Path:
        """Folder that outlives the run, for files that people look for."""
        return self.folder

    def wrap(self, method: Method) -> nn.Module:
        """The method on the device, with synchronised batch norm and gradients where there are several ranks."""
        method.to(self.device)
        if self.world == 1:
            return method
        synchronise(method)
        on_cuda = self.device.type == "cuda"
        return DistributedDataParallel(method, device_ids=[self.device.index] if on_cuda else None, **_NO_BUFFER_SYNC)

    def save(self, state: dict[str, Any], step: int, metrics: dict[str, float], best: int | None) -> None:
        """Keep `state` as the checkpoint of `step` (rank 0 writes); older ones go, but for the best."""
        if self.rank == 0:
            checkpoint.write(checkpoint.step_path(self.folder, step), state)
            checkpoint.prune(self.folder, self.keep, best)
        self.barrier()

    def evaluated(self, step: int, score: float) -> None:
        """A score on the way, not the last; every rank calls it. For runs that somebody may stop because of it."""

    def load(self, step: int | None = None) -> dict[str, Any] | None:
        """The newest checkpoint of this run (None if there is none), or that of `step`; on the CPU, from where it is copied."""
        return checkpoint.newest(self.folder) if step is None else checkpoint.at(self.folder, step)

    def gather(self, value: T) -> list[T]:
        """`value` of every rank, on every rank."""
        if self.world == 1:
            return [value]
        values: list[T | None] = [None] * self.world
        dist.all_gather_object(values, value)
        return cast(list[T], values)

    def barrier(self) -> None:
        if self.world > 1:
            dist.barrier()


class TorchrunRun(LocalRun):
    """One of the processes that `torchrun` started: NCCL on GPUs, gloo on CPUs."""

    def __init__(self, folder: Callable[[], Path], *, keep: int = 2) -> None:
        local = int(os.environ["LOCAL_RANK"])
        super().__init__(folder, keep=keep, device=best_device(local))
        _join(self.device)
        self.rank, self.world = dist.get_rank(), dist.get_world_size()


def under_torchrun() -> bool:
    return "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ


def processes() -> int:
    """That torchrun started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if under_torchrun() else 1


@contextlib.contextmanager
def agreed(hold: Callable[[], contextlib.AbstractContextManager[T]]) -> Iterator[T]:
    """What the first process holds, for all that torchrun started; a ValueError of it is everybody's."""
    if not under_torchrun():
        with hold() as value:
            yield value
        return
    _join(best_device(int(os.environ["LOCAL_RANK"])))
    with contextlib.ExitStack() as stack:
        said: list[Any] = [None]
        if dist.get_rank() == 0:
            try:
                said = [stack.enter_context(hold())]
            except ValueError as error:
                said = [error]
        dist.broadcast_object_list(said)
        if isinstance(said[0], ValueError):
            raise said[0]
        yield said[0]


def _join(device: torch.device) -> None:
    """The group of torchrun's processes, once."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
