"""The golden of the crop-and-centre pretreatment: canvases in, aligned frames of every stored size out."""

import re
from pathlib import Path

import numpy as np

from gaitlab.data.frames import align
from tests.parity.check import Check, Verdict

LEVELS = 2
"""Grey levels that a frame may differ by."""


def run(path: Path) -> Verdict:
    verdict = Verdict(path.stem)
    arrays = np.load(path)
    for name in sorted(arrays.files):
        if not (match := re.fullmatch(r"out(\d+)_(\d+)", name)):
            continue
        size, clip = match.groups()
        ours = [frame for raw in arrays[f"in_{clip}"] if (frame := align(raw, int(size))) is not None]
        error = worst(ours, arrays[name]) if len(ours) == len(arrays[name]) else float("inf")
        verdict.checks.append(Check(name, error / 255, LEVELS / 255))
    return verdict


def worst(ours: list[np.ndarray], golden: np.ndarray) -> float:
    """Largest grey-level difference; a frame may sit one column aside, as its centre column can be a near tie."""
    return max(min(difference(a, b, shift) for shift in (0, -1, 1)) for a, b in zip(ours, golden, strict=True))


def difference(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    width = a.shape[1] - abs(shift)
    left, right = max(shift, 0), max(-shift, 0)
    return float(np.abs(a[:, left : left + width].astype(int) - b[:, right : right + width].astype(int)).max())
