"""People met by surveillance cameras, as in Gait3D (Zheng et al., CVPR 2022): any view, any length, whatever they happen to carry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from gaitlab.data.source import Walk
from gaitlab.walkers.people import stream
from gaitlab.walkers.sensors.observe import Station
from gaitlab.walkers.source import Generated
from gaitlab.within import Count, Within

HAPPENS = {"bag": 0.3, "clothing": 0.3, "carrying": 0.1, "umbrella": 0.04, "occlusion": 0.35, "night": 0.15}
"""How often a walk has each condition."""


@dataclass(frozen=True, kw_only=True)
class WildWalkersSource(Generated):
    """Every walk has a camera, a heading, a length and conditions of its own; a test person's first walk is the probe."""

    name: str = "walkers-wild"
    walks_per_subject: Annotated[int, Within(2)] = 8
    cameras: Count = 20
    sessions: Count = 2
    """Days over which a person's walks are spread."""
    frames: tuple[Annotated[int, Within(2)], Annotated[int, Within(2)]] = (20, 90)

    def walks(self) -> Sequence[Walk]:
        out = []
        for split, subject in self.people():
            for take in range(1, self.walks_per_subject + 1):
                rng = stream(self.seed, subject, "wild", str(take))
                camera, session, draws = int(rng.integers(self.cameras)), int(rng.integers(self.sessions)), rng.random(len(HAPPENS))
                role = "" if split == "train" else "probe" if take == 1 else "gallery"
                out.append(
                    Walk(
                        subject=subject,
                        session=str(session + 1),
                        conditions=tuple(sorted(word for word, u in zip(HAPPENS, draws, strict=True) if u < HAPPENS[word])),
                        view=f"cam{camera:02d}",
                        take=str(take),
                        split=split,
                        role=role,
                        source=f"seed {self.seed}",
                    )
                )
        return out

    def station(self, walk: Walk) -> Station:
        """The camera's height and distance are its own; from which side it sees the person is the walk's."""
        pose, heading = stream(self.seed, "camera", walk.view).random(2), stream(self.seed, walk.key, "heading").random()
        elevation, distance = (float(value) for value in np.round([3 + 25 * pose[0], 7 + 7 * pose[1]], 3))
        return Station.at(round(float(360 * heading), 3), elevation=elevation, distance=distance)
