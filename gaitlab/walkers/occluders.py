"""Things between a walker and the sensors: a post, a low wall, a passer-by."""

import numpy as np

from gaitlab.walkers.sensors.capsules import Capsules

KINDS = ("post", "wall", "passer-by")


def occluder(rng: np.random.Generator, toward: np.ndarray, distance: float, frames: int, fps: float) -> Capsules:
    """Capsules `[frames, c]` that hide part of whoever walks around the origin from a sensor in the direction `toward` (unit vector
    `[2]`), `distance` m away: 1.2 to 2 m before the walker, at most half-way to the sensor.

    post: everything in one or two columns, for some of the frames. wall: the legs, up to 0.35 to 0.65 m. passer-by: somebody who
    crosses the view at a walking pace.
    """
    if distance < 2:
        raise ValueError(f"a sensor {distance} m away leaves no room for an occluder; give 2 m or more")
    kind, u = KINDS[int(rng.integers(len(KINDS)))], rng.random(5)
    before = min(1.2 + 0.8 * u[0], distance / 2)
    across = np.array([-toward[1], toward[0]])
    middle = before * toward + (u[1] - 0.5) * 0.5 * across

    def at(sideways: float | np.ndarray, height: float) -> np.ndarray:
        """Points `[frames, 3]` m."""
        level = middle + np.broadcast_to(sideways, frames)[:, None] * across
        return np.concatenate([level, np.full((frames, 1), height)], 1)

    if kind == "post":
        spans, radii = [(at(0, -0.5), at(0, 3.0))], [0.05 + 0.08 * u[2]]
    elif kind == "wall":
        height, thick = 0.35 + 0.3 * u[2], 0.1
        rows = np.arange(0, height - thick, thick)
        spans, radii = [(at(-2.5, z), at(2.5, z)) for z in [*rows, height - thick]], [thick] * (len(rows) + 1)
    else:
        pace = (0.8 + 0.5 * u[2]) * (1 if u[3] < 0.5 else -1)
        way = pace * (np.arange(frames) - frames * (0.2 + 0.6 * u[4])) / fps
        spans = [(at(way, 0.1), at(way, 0.8)), (at(way, 0.85), at(way, 1.35)), (at(way, 1.55), at(way, 1.62))]
        radii = [0.13, 0.18, 0.1]
    ends = np.stack([np.stack(span, 1) for span in spans], 1)
    return Capsules(np.round(ends, 4), np.repeat(np.round(radii, 4)[:, None], 2, 1), (kind,) * len(spans))
