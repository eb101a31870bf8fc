"""Which frames make a clip: from walk lengths and a ClipSpec to frame numbers, for all walks of a batch at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gaitlab.data.draws import picks
from gaitlab.data.store import Store
from gaitlab.types import ClipSpec


def can_show(store: Store, modality: str) -> bool:
    """Whether the store has what clips of `modality` are made of."""
    return modality in store.modalities or (modality == "skeleton" and "joints" in store.modalities)


def stored_modality(store: Store, modality: str) -> str:
    """What clips of `modality` are made of: the modality itself, or joints for skeleton maps that the store does not hold."""
    if can_show(store, modality):
        return modality if modality in store.modalities else "joints"
    raise ValueError(f"{store.root.name} has no {modality!r}; it has {', '.join(store.modalities)}")


def walk_frames(store: Store, modality: str) -> np.ndarray:
    """Frames int64 `[walks]` that every walk of the store has for clips of `modality`; 0 where it lacks them."""
    return store.index[f"{stored_modality(store, modality)}_frames"].to_numpy(np.int64)


def shows(store: Store, clips: Mapping[str, ClipSpec]) -> np.ndarray:
    """Bool `[walks]`: whether a walk has frames for all of `clips`."""
    return np.logical_and.reduce([walk_frames(store, modality) > 0 for modality in {spec.modality for spec in clips.values()}])


@dataclass(frozen=True)
class Spans:
    """How long walks are. frames: modality -> int64 `[walks]`. tempo: role of a clip that follows -> its frames in one of its leader's."""

    frames: Mapping[str, np.ndarray]
    tempo: Mapping[str, float]


def spans(store: Store, clips: Mapping[str, ClipSpec], rows: np.ndarray) -> Spans:
    """ValueError if one of the walks `rows` lacks frames of a clip, or has others than those that the clip is to follow."""
    frames: dict[str, np.ndarray] = {modality: walk_frames(store, modality) for modality in {spec.modality for spec in clips.values()}}
    for modality, counts in frames.items():
        lacking = rows[counts[rows] == 0]
        if len(lacking):
            raise ValueError(f"{len(lacking)} walks have no {modality} frames, the first is {store.index['key'].iloc[lacking[0]]!r}")
    tempo: dict[str, float] = {}
    for role, spec in clips.items():
        if spec.follows is None:
            continue
        if spec.follows not in (before := list(clips)[: list(clips).index(role)]):
            raise ValueError(f"clip {role!r} follows {spec.follows!r}, which is none of the clips before it ({', '.join(before)})")
        leader = clips[spec.follows].modality
        rates = [frame_rate(store, modality) for modality in (leader, spec.modality)]
        tempo[role] = rates[1] / rates[0] if all(rates) else 1.0
        late = np.abs(frames[leader][rows] * tempo[role] - frames[spec.modality][rows])
        apart = rows[late > (0 if tempo[role] == 1 else rates[1] * APART)]
        if len(apart):
            key, a, b = store.index["key"].iloc[apart[0]], frames[leader][apart[0]], frames[spec.modality][apart[0]]
            known = [f" ({rate:g} a second)" if rate else "" for rate in rates]
            raise ValueError(
                f"{len(apart)} walks have {leader} and {spec.modality} frames of unequal time, the first is {key!r}: "
                f"{a}{known[0]} and {b}{known[1]}; name their rates when you ingest, e.g. --fps {leader}=30 {spec.modality}=10"
            )
    return Spans(frames, tempo)


APART = 1.0
"""Seconds by which two recordings of one walk may differ in length."""


def frame_rate(store: Store, modality: str) -> float:
    """Frames per second of clips of `modality`; 0 where the data do not tell."""
    return float(store.manifest["modalities"][stored_modality(store, modality)].get("fps", 0))


def frame_numbers(walks: np.ndarray, spec: ClipSpec, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers int64 `[n, t]` (-1 behind a clip's end) and clip lengths int64 `[n]` of walks `[n]` frames long.

    unordered: distinct frames in random order; with replacement only if the walk is shorter than the clip.
    ordered: sorted distinct frames of a random window of `frames + skip`. consecutive: a random run.
    The last two repeat a walk shorter than the window as often as it takes, end to end. frames=None: the whole walk in order,
    cut off at `limit`. (Fan et al., OpenGait, CVPR 2023, name these fixed/unfixed x ordered/unordered and all.)
    """
    walks = np.asarray(walks, np.int64)
    if spec.frames is None:
        lengths = np.minimum(walks, spec.limit)
        return _cut(np.broadcast_to(np.arange(lengths.max()), (len(walks), lengths.max())), lengths)
    if isinstance(spec.frames, int):
        lengths = np.full(len(walks), spec.frames, np.int64)
    else:
        lengths = rng.integers(spec.frames[0], spec.frames[1], size=len(walks), endpoint=True)
    if spec.order == "unordered":
        return _cut(picks(rng, walks, lengths), lengths)
    window = lengths + (spec.skip if spec.order == "ordered" else 0)
    tiled = np.where(walks < window, -(-window // walks) * walks, walks)
    start = rng.integers(0, tiled - window, endpoint=True)
    if spec.order == "consecutive" or spec.skip == 0:
        chosen = np.broadcast_to(np.arange(lengths.max()), (len(walks), lengths.max()))
    else:
        chosen = picks(rng, window, lengths)
        behind = np.arange(chosen.shape[1]) >= lengths[:, None]
        chosen = np.sort(np.where(behind, np.iinfo(np.int64).max, chosen), axis=1)
        chosen[behind] = 0
    return _cut((start[:, None] + chosen) % walks[:, None], lengths)


def _cut(numbers: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if (lengths != numbers.shape[1]).any():
        numbers = np.where(np.arange(numbers.shape[1]) < lengths[:, None], numbers, -1)
    return numbers, lengths
