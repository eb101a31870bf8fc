"""Data sets that are nothing but noise, for tests of what is made of them."""

from dataclasses import dataclass

import numpy as np
import torch

from gaitlab.data.skeletons import pack
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.types import Augment, Batch, ClipSpec

CPU = torch.device("cpu")
GAIT = ClipSpec(frames=6)
CLIPS = {
    "gait": GAIT,
    "other": ClipSpec(frames=(3, 8), order="ordered", augment=Augment(perspective=0.5, rotate=0.5, flip=0.5)),
    "depth": ClipSpec(modality="depth", frames=5, order="consecutive", width=None, augment=Augment(affine=0.5, erase=0.5)),
}


@dataclass(frozen=True, kw_only=True)
class Noise(SourceConfig):
    """Binary silhouettes and 8-bit depth maps that are nothing but noise; the last subject is for testing."""

    name: str = "noise"
    subjects: int = 7
    walks_each: int = 5
    without_depth: str = ""

    def walks(self) -> list[Walk]:
        return [
            Walk(subject=f"s{s}", view=f"{v:03d}", split="test" if s == self.subjects - 1 else "train", source=f"{s}/{v}")
            for s in range(self.subjects)
            for v in range(self.walks_each)
        ]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(list(walk.key.encode()))
        frames = int(rng.integers(2, 13))
        out = {"silhouette": (rng.random((frames, 64, 64)) > 0.5).astype(np.uint8) * np.uint8(255)}
        if walk.key != self.without_depth:
            out["depth"] = rng.integers(0, 256, (frames, 3, 16, 12), dtype=np.uint8)
        return out

    def checksum(self) -> str:
        return f"noise{self.subjects}{self.walks_each}{self.without_depth}"


@dataclass(frozen=True, kw_only=True)
class Sensors(Noise):
    """Silhouettes, range views and packed joints, some not detected, of the same instants; maps only where they are asked for."""

    name: str = "sensors"
    stored_maps: bool = False

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        silhouette = super().load(walk)["silhouette"]
        rng, frames = np.random.default_rng(list(walk.key.encode())), len(silhouette)
        joints = rng.uniform((60, 20, 0.1), (140, 220, 1), (frames, 17, 3))
        joints[rng.random((frames, 17)) < 0.1] = 0
        out = {"silhouette": silhouette, "range": rng.integers(0, 256, (frames, 64, 64), dtype=np.uint8), "joints": pack(joints)}
        return out | ({"skeleton": rng.integers(0, 256, (frames, 2, 64, 64), dtype=np.uint8)} if self.stored_maps else {})

    def checksum(self) -> str:
        return f"sensors{self.stored_maps}"


SENSED = {
    "silhouette": ClipSpec(frames=5, order="ordered", augment=Augment(perspective=0.5, flip=0.5)),
    "range": ClipSpec(modality="range", frames=(2, 6), width=None),
    "skeleton": ClipSpec(modality="skeleton", frames=(3, 8), order="ordered", augment=Augment(rotate=0.5, flip=0.5, erase=0.3)),
}
"""What methods with several modalities ask for, side by side."""


def same(a: Batch, b: Batch) -> bool:
    return (
        torch.equal(a.rows, b.rows)
        and torch.equal(a.subject, b.subject)
        and all(torch.equal(a.clips[role], b.clips[role]) and torch.equal(a.lengths[role], b.lengths[role]) for role in a.clips)
    )
