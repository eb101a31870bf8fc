"""How long a run will take, from a few steps of it."""

import time

import torch

from gaitlab.training.batches import make_feed
from gaitlab.training.loop import step_rng
from gaitlab.training.precision import native_bfloat16, resolved
from gaitlab.training.ready import Ready
from gaitlab.training.run import LocalRun, best_device

FIRST, TIMED = 3, 5
"""Steps that warm up, and steps that count."""


def seconds_per_step(ready: Ready) -> float:
    """Of the experiment on this machine's first device, alone on it, without the optimiser; nothing is trained or written."""
    experiment, device = ready.experiment, best_device()
    run = LocalRun(lambda: ready.store.root, device=device)  # its folder is for checkpoints, of which there are none
    feed = make_feed(experiment, ready.training, run)
    method = experiment.method.build(len(feed.subjects)).to(device).train()
    precision = resolved(experiment.train.precision, native_bfloat16(device))
    start = time.perf_counter()
    for step in range(FIRST + TIMED):
        if step == FIRST:
            _wait(device)
            start = time.perf_counter()
        batch = feed.batch(step, device)
        with torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32"):
            losses = method(batch, step_rng(experiment.seed, step, range(len(batch)), device))
        losses.total().backward()
    _wait(device)
    return (time.perf_counter() - start) / TIMED


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
