"""One walk past one station of sensors: camera, LiDAR and keypoint detector see the same instants from slightly different places."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gaitlab.data.ranges import range_views
from gaitlab.walkers.sensors.camera import Camera, Noise, silhouettes
from gaitlab.walkers.sensors.capsules import Capsules
from gaitlab.walkers.sensors.keypoints import keypoints
from gaitlab.walkers.sensors.lidar import Lidar, scan

MODALITIES = ("silhouette", "range", "joints")


@dataclass(frozen=True, kw_only=True)
class Station:
    """Sensors that look the same way."""

    camera: Camera = field(default_factory=Camera)
    lidar: Lidar = field(default_factory=Lidar)

    @classmethod
    def at(cls, azimuth: float, *, elevation: float = 4.0, distance: float = 7.0) -> "Station":
        """A camera, and a LiDAR a metre behind it and half a metre to its side."""
        return cls(
            camera=Camera(azimuth=azimuth, elevation=elevation, distance=distance),
            lidar=Lidar(azimuth=azimuth + 4.0, distance=distance + 1.0),
        )


def observe(
    joints: np.ndarray,
    body: Capsules,
    station: Station,
    noise: Noise,
    rng: np.random.Generator,
    modalities: Sequence[str] = MODALITIES,
    *,
    occluder: Capsules | None = None,
    keypoint_noise: float = 1.0,
) -> dict[str, np.ndarray]:
    """Modality -> uint8 frames of joints `[t, 27, 3]` m and the body on them; every modality has the same instants.

    Frames that `noise` loses are left out of all; what one sensor alone does not see is all 0 in its frame. A modality's frames
    do not depend on which others are asked for.
    """
    gaps, seeing, beaming, detecting = rng.spawn(4)
    kept = gaps.random(len(joints)) >= noise.frame
    kept[len(joints) // 2] = True
    if not kept.all():
        joints, body = joints[kept], replace(body, ends=body.ends[kept])
        occluder = None if occluder is None else replace(occluder, ends=occluder.ends[kept])
    seen: dict[str, np.ndarray] = {}
    for modality in modalities:
        if modality == "silhouette":
            seen[modality] = silhouettes(body, station.camera, noise, seeing, occluder=occluder)
        elif modality == "range":
            seen[modality] = range_views(*scan(body, station.lidar, beaming, occluder=occluder))
        elif modality == "joints":
            seen[modality] = keypoints(joints, station.camera, keypoint_noise, detecting, occluder)
        else:
            raise ValueError(f"stations have {', '.join(MODALITIES)}; not {modality!r}")
    return seen
