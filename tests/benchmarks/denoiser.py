"""A training step of the space-time denoiser, as large as published, against that of lucidrains' public Unet3D where it is installed
(`pip install video-diffusion-pytorch einops-exts rotary-embedding-torch`, to measure with only).

Floor: the step's products at the rate of a large matrix product on the same cores.
"""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gaitlab.diffusion.spacetime import SpaceTimeUNet
from gaitlab.nn.memory import keep_freed_memory
from tests.benchmarks.cod2 import timed

WALKS, FRAMES = 4, 30
"""Of the article's latents, 4 x 8 x 8 a frame; its batch has 64 walks."""


def denoiser(repeats: int = 3) -> Iterator[dict[str, object]]:
    """denoiser/WIDTH: seconds of forward and backward, best of some that take turns with the peer's."""
    torch.set_num_threads(1)
    keep_freed_memory()
    rate = products_per_second()
    for width in (32, 64):
        torch.manual_seed(0)
        steps = {"ours": step_of(SpaceTimeUNet(width=width, condition=256), last=False)}
        if (peer := public(width)) is not None:
            steps["peer"] = step_of(peer, last=True)
        with FlopCounterMode(display=False) as counted:
            steps["ours"]()
        took = {name: min(of) for name, of in turns(steps, repeats).items()}
        row: dict[str, object] = {"name": f"denoiser/{width}", "value": round(took["ours"], 3), "unit": "s"}
        yield row | {"floor": round(counted.get_total_flops() / rate, 3), "peer": round(took["peer"], 3) if "peer" in took else None}


def step_of(network: nn.Module, *, last: bool) -> Callable[[], None]:
    """Forward and backward on the same latents. last: the network takes channels before frames, and conditions as `cond`."""
    rng = torch.Generator().manual_seed(0)
    clips = torch.randn(WALKS, FRAMES, 4, 8, 8, generator=rng)
    t, condition = torch.randint(1, 1000, (WALKS,), generator=rng), torch.randn(WALKS, 256, generator=rng)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        out = network(clips.transpose(1, 2), t, cond=condition) if last else network(clips, t, condition)
        out.square().mean().backward()

    return step


def public(width: int) -> nn.Module | None:
    """lucidrains' network of that width; None where it is not installed."""
    try:
        from video_diffusion_pytorch import Unet3D  # type: ignore[import-not-found]
    except ImportError:
        return None
    network: nn.Module = Unet3D(dim=width, dim_mults=(1, 2, 4), channels=4, cond_dim=256)
    return network


def turns(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each, in turn, after one that does not count."""
    took: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(repeats + 1):
        for name, step in steps.items():
            seconds = timed(step)
            if i:
                took[name].append(seconds)
    return took


def products_per_second(side: int = 1024) -> float:
    """Multiplications and additions a second in a matrix product of that side, on one thread."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    return 2 * side**3 / min(timed(lambda: a @ b) for _ in range(8))
