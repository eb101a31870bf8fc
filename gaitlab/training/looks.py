"""A method at work, looked at between two steps so that neither notices."""

from functools import partial

import pandas as pd

from gaitlab.evaluation.looks import curves_figure, look_figure, look_film
from gaitlab.method import Method
from gaitlab.rng import Rng
from gaitlab.training.border import Tracker
from gaitlab.training.evaluating import evaluating
from gaitlab.types import Batch, Curves, Facts, Numbers


def look(method: Method, batch: Batch, seed: int, step: int, tracker: Tracker) -> None:
    """Hand over what `method` shows of itself after `step` steps. On this rank alone: nothing in it waits for the others.

    Weights, gradients, batch norm's statistics and the generators of the run stay as they are: its draws are of (seed, step).
    """
    with evaluating(method):  # so that no other rank is asked for its statistics
        looks = method.look(batch, Rng(seed, step, range(len(batch)), batch.subject.device))
    for name, seen in looks.items():
        kept, title = f"{name}-{step:06d}", f"{name.capitalize()}, step {step}"
        if isinstance(seen, Facts):
            tracker.table(kept, pd.DataFrame(dict(seen.columns)))
        elif isinstance(seen, Numbers):
            tracker.log(step, {f"{name}/{number}": value for number, value in seen.values.items()})
        elif isinstance(seen, Curves):
            tracker.figure(kept, partial(curves_figure, seen, title=title))
        elif seen.moving:
            tracker.film(kept, partial(look_film, seen, title=title))
        else:
            tracker.figure(kept, partial(look_figure, seen, title=title))
