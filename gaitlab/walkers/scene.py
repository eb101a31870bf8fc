"""A dressed walker before the sensors, with what the conditions do to the scene: darkness, things that stand in the way."""

from collections.abc import Sequence

import numpy as np

from gaitlab.data.source import Walk
from gaitlab.walkers.occluders import occluder
from gaitlab.walkers.people import stream
from gaitlab.walkers.sensors.camera import NIGHT, Noise
from gaitlab.walkers.sensors.capsules import Capsules
from gaitlab.walkers.sensors.observe import Station, observe


def seen(
    walk: Walk, joints: np.ndarray, body: Capsules, station: Station, *, fps: float, seed: int, noise: float, modalities: Sequence[str]
) -> dict[str, np.ndarray]:
    """Modality -> uint8 frames of joints `[t, 27, 3]` m and the body on them, a function of `seed` and the walk's key.

    noise: strength of segmentation and keypoint noise, 0 for none. At night the camera's is larger; the LiDAR brings its own light.
    """
    between = None
    if "occlusion" in walk.conditions:
        azimuth = np.radians(station.camera.azimuth)
        toward = np.round([np.cos(azimuth), np.sin(azimuth)], 9)
        between = occluder(stream(seed, walk.key, "occluder"), toward, station.camera.distance, len(joints), fps)
    dark = "night" in walk.conditions
    return observe(
        joints,
        body,
        station,
        (NIGHT if dark else Noise()).scaled(noise),
        stream(seed, walk.key),
        modalities,
        occluder=between,
        keypoint_noise=noise * (2 if dark else 1),
    )
