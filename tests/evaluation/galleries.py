"""Hand-made indexes and embeddings for the evaluation's tests."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = {"session": "", "conditions": (), "view": "000", "take": "", "split": "test", "role": "", "dataset": "made", "source": ""}


def index(walks: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """An index like a store's; what a walk leaves out is plain."""
    rows = [COLUMNS | walk for walk in walks]
    frame = pd.DataFrame(rows)
    frame["key"] = [f"{r['subject']}/{r['session']}/{'+'.join(r['conditions'])}/{r['take']}/{r['view']}#{i}" for i, r in enumerate(rows)]
    return frame


def casia(subjects: int, views: Iterable[str] = ("000", "090", "180")) -> pd.DataFrame:
    """CASIA-B's conditions and takes."""
    kinds = [((), 6), (("bag",), 2), (("clothing",), 2)]
    return index(
        {"subject": f"{s:03d}", "conditions": c, "take": f"{t:02d}", "view": v}
        for s in range(subjects)
        for c, takes in kinds
        for t in range(1, takes + 1)
        for v in views
    )


def wild(subjects: int) -> pd.DataFrame:
    """One probe and two others of each subject, as in Gait3D."""
    return index({"subject": f"{s:03d}", "take": str(t), "role": "probe" if t == 0 else ""} for s in range(subjects) for t in range(3))


def walkers(subjects: int, views: Iterable[str] = ("000", "090"), takes: int = 1) -> pd.DataFrame:
    """The generator's two days in eight conditions."""
    kinds = [(), *((c,) for c in ("bag", "clothing", "carrying", "umbrella", "uniform", "occlusion")), ("bag", "night")]
    return index(
        {"subject": f"test{s:05d}", "session": session, "conditions": c, "take": str(t), "view": v}
        for s in range(1, subjects + 1)
        for session in ("1", "2")
        for c in kinds
        for t in range(1, takes + 1)
        for v in views
    )


def clothes(subjects: int) -> pd.DataFrame:
    """Own clothes on the first day; on the second those, others above, below, both, or a bag."""
    days = [("1", ()), *(("2", c) for c in ((), ("upper",), ("lower",), ("lower", "upper"), ("bag",)))]
    return index(
        {"subject": str(s), "session": day, "conditions": c, "view": v} for s in range(subjects) for day, c in days for v in ("000", "090")
    )


def ccpg(subjects: int, views: Iterable[str] = ("00", "01", "02")) -> pd.DataFrame:
    """CCPG's outfits: four of their own, two mixed ones, and one with a bag; two walks each."""
    outfits = [("U0_D0", ()), ("U0_D0", ("bag",)), *((o, ()) for o in ("U0_D3", "U1_D0", "U1_D1", "U2_D2", "U3_D3"))]
    return index(
        {"subject": f"{s:03d}", "session": outfit, "conditions": c, "take": str(t), "view": v}
        for s in range(subjects)
        for outfit, c in outfits
        for t in (1, 2)
        for v in views
    )


def casia_e(subjects: int, views: Iterable[str] = ("000", "090", "270")) -> pd.DataFrame:
    """CASIA-E's scenes from high and low cameras."""
    return index(
        {"subject": f"{s:03d}", "session": f"{height}-{scene}", "conditions": c, "take": t, "view": v}
        for s in range(subjects)
        for height in "HL"
        for scene in ("scene1", "scene2", "scene3", "scene3_s")
        for c in ((), ("bag",), ("clothing",))
        for t in "12"
        for v in views
    )


def sessions(subjects: int, names: Iterable[str], views: Iterable[str] = ("000", "090")) -> pd.DataFrame:
    """A plain walk of each person in each session from each view."""
    return index({"subject": f"{s:04d}", "session": name, "view": v} for s in range(subjects) for name in names for v in views)


def perfect(frame: pd.DataFrame, *, parts: int = 2) -> np.ndarray:
    """One point a subject."""
    codes = frame["subject"].factorize()[0]
    points = np.random.default_rng(1).standard_normal((codes.max() + 1, parts, 8)).astype(np.float32)
    return points[codes]


def noise(frame: pd.DataFrame, seed: int = 0, *, parts: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((len(frame), parts, 8)).astype(np.float32)
