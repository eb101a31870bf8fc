"""Bodies for the sensors' tests."""

import numpy as np

from gaitlab.walkers.sensors.capsules import Capsules


def body(seed: int = 0, frames: int = 3, count: int = 6) -> Capsules:
    """Random capsules around (0, 0, 1), about as large as a person, one of them a ball and one with a ball inside the other."""
    rng = np.random.default_rng(seed)
    ends = rng.uniform((-0.3, -0.3, 0.2), (0.3, 0.3, 1.7), (frames, count, 2, 3))
    radii = rng.uniform(0.03, 0.15, (count, 2))
    ends[:, 0, 1] = ends[:, 0, 0]
    radii[1], ends[:, 1, 1] = (0.2, 0.05), ends[:, 1, 0] + 0.02
    return Capsules(ends, radii, ("head", "trunk", "l_shank", "l_calf", "r_foot", "r_toes"))
