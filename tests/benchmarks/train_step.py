"""Seconds per training step at full width on the CPU: forward, losses, backward, SGD step.

P x K = 4 x 4 walks of 64x44 silhouettes, 74 subjects; `peer` is the reference implementation on two threads of a machine like
this one, `cpu` the processor seconds, which other load on the machine leaves alone.
"""

import os
import time
from collections.abc import Callable, Iterator

import torch
from torch.utils.flop_counter import FlopCounterMode

from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.nn.memory import keep_freed_memory
from gaitlab.rng import Rng
from gaitlab.training.precision import native_bfloat16
from gaitlab.types import Batch

MODELS = {
    "gaitset": (SupervisedConfig(backbone=GaitSetConfig(), neck="none"), 30, {"peer": 3.56, "peer_cpu": 6.63}),
    "gaitbase": (SupervisedConfig(backbone=GaitBaseConfig()), 10, {"peer": 10.6, "peer_cpu": 20.3}),
    "deepgaitv2": (SupervisedConfig(backbone=DeepGaitV2Config()), 10, {"peer": 14.6, "peer_cpu": 21.8}),
}


def train_step(repeats: int = 3, threads: int = 2) -> Iterator[dict[str, object]]:
    """Rows train_step/NAME (float32) and train_step/NAME-bf16 (bfloat16 autocast); the best of `repeats` after one warm-up.

    floor: the step's products alone (`gflop`) at the rate of a large matrix product in the same process. Where the processor has no
    bfloat16, those rows have no value: emulated, a step takes minutes.
    """
    torch.set_num_threads(threads)
    keeps, native = keep_freed_memory(), native_bfloat16(torch.device("cpu"))
    rate = 0.0
    for name, (config, frames, peer) in MODELS.items():
        gflop, rate = products(config, frames), max(rate, product_rate())
        for suffix, low in (("", False), ("-bf16", True)):
            row: dict[str, object] = {"name": f"train_step/{name}{suffix}", "value": None, "unit": "s"}
            if low and not native:
                yield row | peer | {"left_out": "the processor has no bfloat16"}
                continue
            wall, cpu = best_step(config, frames, repeats, low)
            floor = {} if low else {"gflop": round(gflop), "floor": round(gflop / rate, 2)}
            row |= {"value": round(wall, 2), "cpu": round(cpu, 2)} | floor
            yield row | peer | {"frames": 16 * frames, "threads": threads, "keeps_memory": keeps, "load": round(os.getloadavg()[0], 1)}


def products(config: SupervisedConfig, frames: int) -> float:
    """Billions of multiplications and additions in the convolutions and matrix products of a step."""
    step = prepared(config, frames)
    with FlopCounterMode(display=False) as counted:
        step(False)
    return counted.get_total_flops() / 1e9


def product_rate(size: int = 2048) -> float:
    """Billions of multiplications and additions a second in a product of two float32 matrices."""
    a, b = torch.rand(2, size, size)
    out, times = torch.empty(size, size), []
    for _ in range(20):
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times) / 1e9


def best_step(config: SupervisedConfig, frames: int, repeats: int, low: bool) -> tuple[float, float]:
    """Wall and processor seconds of the fastest step."""
    step, times = prepared(config, frames), []
    for _ in range(repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        step(low)
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in times[1:]), min(cpu for _, cpu in times[1:])


def prepared(config: SupervisedConfig, frames: int) -> Callable[[bool], None]:
    """A step of a fresh network on one batch; its argument asks for bfloat16."""
    torch.manual_seed(0)
    method = config.build(74).train()
    optimiser = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    rng = torch.Generator().manual_seed(0)
    clip = (torch.rand(16, frames, 1, 64, 44, generator=rng) > 0.5).float()
    subject = torch.arange(4).repeat_interleave(4)
    batch = Batch({"gait": clip}, {"gait": torch.full((16,), frames)}, subject, torch.arange(16))

    def step(low: bool) -> None:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            total = method(batch, Rng(0, 0, range(len(batch)))).total()
        total.backward()
        optimiser.step()

    return step
