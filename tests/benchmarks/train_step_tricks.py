"""What each trick of a training step is worth: the steps of `train_step` in float32, and again without one trick at a time.

Every row has a process of its own; `with` and `cpu_with` are the best of the processes with all tricks that ran before and after those
without one, so load that changes during the run shows in their difference (`spread`). Tricks are switched off from here, by other
functions in the place of the library's.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.backbones import deepgaitv2, gaitbase, gaitset
from gaitlab.nn.blocks import TimeConv
from gaitlab.nn.frames import pack
from gaitlab.nn.memory import keep_freed_memory
from gaitlab.nn.syncnorm import FrameNorm
from tests.benchmarks.train_step import MODELS, best_step

ROOT = Path(__file__).parents[2]
ALL = "all"


def train_step_tricks() -> Iterator[dict[str, object]]:
    """Rows train_step/NAME-with-all and train_step/NAME-without-TRICK; `saves` is the share of processor time that the trick saves."""
    for name in MODELS:
        before = in_a_process(name, ALL)
        without = {trick: in_a_process(name, trick) for trick in TRICKS if name not in NOT_IN.get(trick, ())}
        after = in_a_process(name, ALL)
        wall, cpu = (min(one, other) for one, other in zip(before, after, strict=True))
        spread = round(max(before[1], after[1]) / cpu - 1, 2)
        yield {"name": f"train_step/{name}-with-all", "value": round(wall, 2), "unit": "s", "cpu": round(cpu, 2), "spread": spread}
        for trick, (slow_wall, slow_cpu) in without.items():
            row: dict[str, object] = {"name": f"train_step/{name}-without-{trick}", "value": round(slow_wall, 2), "unit": "s"}
            yield row | {
                "cpu": round(slow_cpu, 2),
                "with": round(wall, 2),
                "cpu_with": round(cpu, 2),
                "saves": round(1 - cpu / slow_cpu, 2),
            }


def in_a_process(name: str, trick: str) -> tuple[float, float]:
    """Wall and processor seconds of the best step."""
    command = [sys.executable, "-m", "tests.benchmarks.train_step_tricks", name, trick]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    return wall, cpu


# -- tricks, and how to do without them ------------------------------------------------------------------------------------


def packing(instead: Callable[[Tensor, Sequence[int]], Tensor]) -> AbstractContextManager[object]:
    stack = ExitStack()
    for module in (gaitset, gaitbase, deepgaitv2):
        stack.enter_context(patch.object(module, "pack", instead))
    return stack


def channels_first() -> AbstractContextManager[object]:
    """Frames in the layout that they have in a batch."""
    return packing(lambda clip, sizes: pack(clip, sizes).clone(memory_format=torch.contiguous_format))


def input_gradient() -> AbstractContextManager[object]:
    """Gradients down to the pixels, as where a trainer asks for those of its inputs."""
    return packing(lambda clip, sizes: pack(clip.detach().requires_grad_(), sizes))


def quick_statistics() -> AbstractContextManager[object]:
    """PyTorch's batch norm, whose sums are less exact: what exactness costs, so it saves less than nothing."""
    return patch.object(FrameNorm, "forward", nn.BatchNorm2d.forward)


def time_in_3d() -> AbstractContextManager[object]:
    return patch.object(TimeConv, "_mix", lambda self, clips: nn.Conv3d.forward(self, clips.transpose(1, 2)).transpose(1, 2))


def fresh_activations() -> AbstractContextManager[object]:
    """No activation function overwrites its input."""
    relu, leaky = F.relu, F.leaky_relu
    stack = ExitStack()
    for name, instead in {
        "relu_": lambda x: relu(x),
        "relu": lambda x, inplace=False: relu(x),
        "leaky_relu_": lambda x, slope=0.01: leaky(x, slope),
        "leaky_relu": lambda x, slope=0.01, inplace=False: leaky(x, slope),
    }.items():
        stack.enter_context(patch.object(F, name, instead))
    return stack


TRICKS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "channels-last": channels_first,
    "no-input-gradient": input_gradient,
    "kept-memory": nullcontext,
    "in-place": fresh_activations,
    "time-in-2d": time_in_3d,
    "exact-statistics": quick_statistics,
}
NOT_IN = {"time-in-2d": ("gaitset", "gaitbase"), "exact-statistics": ("gaitset",)}
"""Trick -> networks that have no use for it."""


def main(name: str, trick: str, threads: int = 2, repeats: int = 3) -> None:
    """Two numbers as JSON: wall and processor seconds."""
    torch.set_num_threads(threads)
    if trick != "kept-memory":
        keep_freed_memory()
    config, frames, _ = MODELS[name]
    with TRICKS.get(trick, nullcontext)():
        print(json.dumps(best_step(config, frames, repeats, low=False)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
