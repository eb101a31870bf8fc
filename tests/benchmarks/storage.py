"""Bytes on disk per frame of 64x64 silhouettes, everything in the folder of shards counted.

100 walks of 60 frames. Every outline is ragged: each pixel on either side of it flips with a probability of 0.3, and holes open
up. Binary: so at 64x64. Grey: so on the raw canvas, then cropped, resized (cubic) and centred, as real data are.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gaitlab.data.frames import align
from gaitlab.data.ingest import ingest
from gaitlab.data.source import SourceConfig, Walk

GOALS = {"binary": 200, "grey": 450}
FLIP = 0.3


def storage(walks: int = 100, frames: int = 60) -> Iterator[dict[str, object]]:
    """Rows storage/binary and storage/grey."""
    for kind, goal in GOALS.items():
        with tempfile.TemporaryDirectory() as folder:
            source = Drawn(name=kind, kind=kind, count=walks, frames=frames)
            store = ingest(source, Path(folder) / kind, progress=False)
            size = sum(path.stat().st_size for path in store.root.iterdir())
            total = store.manifest["modalities"]["silhouette"]["frames"]
            yield {"name": f"storage/{kind}", "value": round(size / total, 1), "unit": "bytes/frame", "goal": goal, "frames": total}


@dataclass(frozen=True, kw_only=True)
class Drawn(SourceConfig):
    """Stick people with flesh, ten walks each, from any side, some in a coat or with a bag."""

    kind: str = "binary"
    count: int = 100
    frames: int = 60
    seed: int = 0

    def walks(self) -> Sequence[Walk]:
        return [Walk(subject=f"{i // 10:03d}", take=f"{i % 10:02d}", source=str(i)) for i in range(self.count)]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([self.seed, int(walk.source)])
        raw = person(rng, self.frames, canvas=int(rng.integers(140, 300)))
        if self.kind == "grey":
            return {"silhouette": _aligned(ragged(raw, rng))}
        return {"silhouette": ragged(np.where(_aligned(raw) > 127, np.uint8(255), np.uint8(0)), rng)}

    def checksum(self) -> str:
        return repr(self)


def person(rng: np.random.Generator, frames: int, canvas: int) -> np.ndarray:
    """uint8 `[frames, canvas, canvas]`, 0 or 255: somebody walking on the spot."""
    side = np.sin(rng.uniform(0, np.pi))
    front = np.sqrt(1 - side**2)
    start, pace, girth = rng.uniform(0, 2 * np.pi), rng.uniform(0.19, 0.24), rng.uniform(0.85, 1.25)
    coat, bag = rng.random(2) < 0.3
    h = 0.8 * canvas
    leg, arm, torso = h * rng.uniform(0.47, 0.51), 0.36 * h, 0.3 * h
    width = h * (0.075 + 0.035 * front) * girth
    out = np.zeros((frames, canvas, canvas), np.uint8)
    for i, image in enumerate(out):
        phase = start + pace * i
        pelvis = np.array([canvas / 2, 0.1 * canvas + h - leg + 0.012 * h * abs(np.sin(phase))])
        neck = moved(pelvis, 0.02 * h * side, -torso)
        for half in (0.5, -0.5):
            swing = phase + (0 if half > 0 else np.pi)
            hip = moved(pelvis, half * 0.09 * h * front, 0)
            thigh, flex = 0.42 * np.sin(swing), 0.15 + 0.8 * max(0.0, np.sin(swing + 1.9)) ** 2
            knee = hip + leg / 2 * np.array([np.sin(thigh) * side, np.cos(thigh)])
            ankle = knee + 0.475 * leg * np.array([np.sin(thigh - flex) * side, np.cos(thigh - flex)])
            toe = ankle + 0.09 * h * np.array([side * np.cos(flex - thigh / 2) + half * front / 4, 0.25 + 0.2 * np.sin(flex)])
            shoulder = moved(neck, half * 0.2 * h * front, 0.03 * h)
            reach = 0.05 - 0.38 * np.sin(swing)
            elbow = shoulder + arm / 2 * np.array([np.sin(reach) * side + half * front / 4, np.cos(reach)])
            hand = elbow + arm / 2 * np.array([np.sin(reach + 0.35) * side, np.cos(reach + 0.35)])
            for a, b, thick in (
                (hip, knee, 0.044 * girth),
                (knee, ankle, 0.03 * girth),
                (ankle, toe, 0.019),
                (shoulder, elbow, 0.024 * girth),
                (elbow, hand, 0.019 * girth),
            ):
                _limb(image, a, b, thick * h)
        _limb(image, neck, pelvis, width)
        _limb(image, neck, moved(neck, 0, -0.06 * h), 0.03 * h)
        _limb(image, moved(neck, 0, -0.09 * h), moved(neck, 0, -0.13 * h), 0.042 * h)
        if coat:
            _limb(image, moved(pelvis, 0, -0.1 * h), moved(pelvis, 0, 0.3 * leg), 1.15 * width)
        if bag:
            _limb(image, moved(neck, -0.1 * h * side, 0.05 * h), moved(neck, -0.1 * h * side, 0.2 * h), 0.06 * h)
    return out


def moved(point: np.ndarray, right: float, down: float) -> np.ndarray:
    return point + np.array([right, down])


def ragged(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flips pixels on both sides of the outline; every second frame or so has a hole."""
    out = frames.copy()
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    for frame in out:
        outline = cv2.dilate(frame, cross) != cv2.erode(frame, cross)
        frame[outline & (rng.random(frame.shape) < FLIP)] ^= 255
        for _ in range(rng.poisson(0.5)):
            y, x = rng.integers(0, frame.shape)
            cv2.circle(frame, (int(x), int(y)), int(rng.integers(1, 4)) * frame.shape[0] // 64, 0, -1)
    return out


def _limb(image: np.ndarray, a: np.ndarray, b: np.ndarray, radius: float) -> None:
    ends = [tuple(round(16 * value) for value in end) for end in (a, b)]
    cv2.line(image, ends[0], ends[1], 255, max(1, round(2 * radius)), shift=4)


def _aligned(frames: np.ndarray) -> np.ndarray:
    return np.stack([frame for raw in frames if (frame := align(raw)) is not None])
