"""Pictures of a method at work, taken between two steps so that neither notices."""

from collections.abc import Callable
from functools import partial

import torch
from matplotlib.figure import Figure

from gaitlab.evaluation.figures import look_figure
from gaitlab.method import Method
from gaitlab.rng import Rng
from gaitlab.types import Batch


def look(method: Method, batch: Batch, seed: int, step: int) -> dict[str, Callable[[], Figure]]:
    """What `method` shows of itself after `step` steps, by name, to be drawn. On this rank alone: nothing in it waits for the others.

    Weights, gradients, batch norm's statistics and the generators of the run stay as they are: its draws are of (seed, step).
    """
    training = method.training
    method.eval()  # running statistics are used and left alone, and no other rank is asked for its own
    try:
        with torch.no_grad():
            looks = method.look(batch, Rng(seed, step, range(len(batch)), batch.subject.device))
    finally:
        method.train(training)
    return {name: partial(look_figure, seen, title=f"{name.capitalize()}, step {step}") for name, seen in looks.items()}
