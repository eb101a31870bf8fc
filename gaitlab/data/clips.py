"""Which frames make a clip: from walk lengths and a ClipSpec to frame numbers, for all walks of a batch at once."""

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
