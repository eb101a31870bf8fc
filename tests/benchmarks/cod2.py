"""What CoD2 adds to its recogniser: time and memory of a training step, and nothing at test time.

Every figure is of a process of its own. Floor of the ratio: the recogniser sees twice the clips (the real and the generated one), so 2 and
G's share of the products (`gflop_ratio`, of a step forward and backward).
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments import ALL
from experiments.cod2 import COD2_MINI, COD2_SMALL
from gaitlab.method import Method
from gaitlab.methods.cod2 import CoD2Config
from gaitlab.nn.memory import keep_freed_memory
from gaitlab.rng import Rng
from gaitlab.training.optim import Optimisers
from gaitlab.types import Batch

ROOT = Path(__file__).parents[2]
SIZES = {"mini": (COD2_MINI, 8, 4), "small": (COD2_SMALL, 8, 4), "full": (ALL["cod2-sustech1k"], 2, 2)}
"""Experiment, P and K. full: DeepGaitV2 and G at full width, ten frames; P x K is cut to four walks, as the ratio needs no more."""


def cod2(repeats: int = 3) -> Iterator[dict[str, object]]:
    """Ratios CoD2 : baseline. cod2/SIZE-step: seconds; -memory: peak bytes; -embed: seconds, and the outputs must be equal."""
    for size in SIZES:
        plain, both = (measured(size, which, repeats) for which in ("baseline", "cod2"))
        assert plain["embedding"] == both["embedding"], "the same weights embed differently inside CoD2"
        for what, unit in (("step", "s"), ("memory", "MB"), ("embed", "s")):
            more = {"gflop_ratio": round(both["gflop"] / plain["gflop"], 2)} if what == "step" else {}
            more |= {"embed_gflop": [plain["embed_gflop"], both["embed_gflop"]]} if what == "embed" else {}
            row: dict[str, object] = {"name": f"cod2/{size}-{what}", "value": round(both[what] / plain[what], 2), "unit": "x"}
            yield row | {"baseline": plain[what], "cod2": both[what], "of": unit} | more


def measured(size: str, which: str, repeats: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.cod2", size, which, str(repeats)]
    done = subprocess.run(command, cwd=ROOT, check=True, text=True, capture_output=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(size: str, which: str, repeats: int) -> dict[str, float]:
    """One thread: seconds and peak memory of a step (above what was there before it), seconds of embedding the batch."""
    torch.set_num_threads(1)
    keep_freed_memory()
    experiment, p, k = SIZES[size]
    config = experiment.method
    assert isinstance(config, CoD2Config)
    frames, n = config.recogniser.clip.frames, p * k
    assert isinstance(frames, int)
    torch.manual_seed(0)
    method: Method = config.build(74)
    if which == "baseline":
        method = method.get_submodule("recogniser")  # type: ignore[assignment]
    rng = torch.Generator().manual_seed(0)
    clip = (torch.rand(n, frames, 1, 64, 44, generator=rng) > 0.5).float()
    batch = Batch({"gait": clip}, {"gait": torch.full((n,), frames)}, torch.arange(n) // k, torch.arange(n))
    with torch.inference_mode():
        method.eval()
        with FlopCounterMode(display=False) as products:
            embedded = method.embed(batch)
        embeds = [timed(lambda: method.embed(batch)) for _ in range(repeats + 1)]
    method.train()
    optimisers = Optimisers(replace(experiment.optim, name="adamw"), method, 100)
    before, times = peak(), []

    def step() -> None:
        method(batch, Rng(0, 0, range(len(batch)))).total().backward()
        for optimiser in optimisers.all:
            optimiser.step()
        optimisers.zero_grad()

    for _ in range(repeats + 1):
        times.append(timed(step))
    memory = peak() - before
    with FlopCounterMode(display=False) as counted:
        method(batch, Rng(0, 0, range(len(batch)))).total().backward()
    return {
        "step": round(min(times[1:]), 3),
        "memory": round(memory / 1e6, 1),
        "embed": round(min(embeds[1:]), 3),
        "gflop": counted.get_total_flops() / 1e9,
        "embed_gflop": round(products.get_total_flops() / 1e9, 3),
        "embedding": float(embedded.double().square().sum()),
    }


def timed(work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start


def peak() -> int:
    """Most bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
