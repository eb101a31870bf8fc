"""From a store to batches: P x K draws, frame numbers, packed bits to the device, and everything else there."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gaitlab.data import augment
from gaitlab.data.augment import Transforms
from gaitlab.data.buffers import Buffers
from gaitlab.data.clips import frame_numbers, stored_modality, walk_frames
from gaitlab.data.draws import Subjects, epoch_rows, generator, pk_rows
from gaitlab.data.store import Store
from gaitlab.data.unpack import Layout, columns, pixels
from gaitlab.types import Augment, Batch, ClipSpec


class Frames(Protocol):
    """Where a feed takes frames from; `modality` is that of a clip, whatever the store makes it of."""

    def layout(self, modality: str) -> Layout:
        """How the frames are stored."""

    def gather(self, modality: str, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Frames uint8 `[n, t, bytes]` of walks `rows [n]`, frame numbers `[n, t]`; zeros where a number is -1."""


class LocalFrames:
    """Frames from the node's memory map."""

    def __init__(self, store: Store, modalities: Iterable[str]) -> None:
        stored = {modality: stored_modality(store, modality) for modality in modalities}
        self._maps = {modality: store.frames(name) for modality, name in stored.items()}
        self._data = {modality: np.asarray(frames.data) for modality, frames in self._maps.items()}
        self._layouts = {m: Layout(frames.shape, frames.packed, stored[m] != m) for m, frames in self._maps.items()}

    def layout(self, modality: str) -> Layout:
        return self._layouts[modality]

    def gather(self, modality: str, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        index = self._maps[modality].offsets[rows, None] + numbers
        frames = np.take(self._data[modality], index, axis=0)
        if numbers.size and numbers.min() < 0:
            frames[numbers < 0] = 0
        return frames


@dataclass(frozen=True)
class Drawn:
    """A clip of n walks before its pixels: frame numbers `[n, t]`, lengths `[n]`, transforms of the n clips."""

    numbers: np.ndarray
    lengths: np.ndarray
    transforms: Transforms | None


class Feed:
    """Batches of P subjects x K walks. Batch number `step` depends on `seed` and `step` only; rank r gets its rows r::world."""

    def __init__(
        self,
        store: Store,
        clips: Mapping[str, ClipSpec],
        *,
        p: int,
        k: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        split: str = "train",
    ) -> None:
        modalities = {spec.modality for spec in clips.values()}
        self._set_up(store, LocalFrames(store, modalities), clips, p, k, seed, rank, world, split)

    def _set_up(
        self,
        store: Store,
        frames: Frames,
        clips: Mapping[str, ClipSpec],
        p: int,
        k: int,
        seed: int,
        rank: int,
        world: int,
        split: str,
    ) -> None:
        self._subjects = Subjects.of(store.index, split)
        self.subjects = self._subjects.names
        """Training subjects, sorted; a label is a position in it."""
        self._frames, self._clips, self._p, self._k, self._seed = frames, dict(clips), p, k, seed
        self._mine, self._buffers = slice(rank, None, world), Buffers()
        self._lengths = _lengths(store, clips, self._subjects.rows)
        for spec in clips.values():
            columns(frames.layout(spec.modality).seen[2], spec.width)
        pk_rows(self._subjects, p, k, seed, 0)

    def batch(self, step: int, device: torch.device) -> Batch:
        """The batch of `step`: a pure function of (seed, step)."""
        rows, drawn = self._draw(step)
        return _batch(self._pixels(rows, drawn, device), drawn, self._subjects.label[rows], rows, device, self._buffers)

    def uint8(self, step: int, device: torch.device) -> dict[str, Tensor]:
        """The clips of `batch(step)` before their conversion to float: uint8 `n t c h w`, 0..255."""
        return self._pixels(*self._draw(step), device)

    def batches(self, start: int, stop: int, device: torch.device) -> Iterator[Batch]:
        """Batches of the steps start..stop-1, the next one made in a thread while one is in use."""
        return ahead(lambda step: self.batch(step, device), start, stop)

    def _draw(self, step: int) -> tuple[np.ndarray, dict[str, Drawn]]:
        rows = pk_rows(self._subjects, self._p, self._k, self._seed, step)
        drawn = draw_clips(rows, self._clips, self._lengths, self._frames, self._seed, step)
        return rows[self._mine], {role: _part(clip, self._mine) for role, clip in drawn.items()}

    def _pixels(self, rows: np.ndarray, drawn: Mapping[str, Drawn], device: torch.device) -> dict[str, Tensor]:
        frames, clips, buffers = self._frames, self._clips, self._buffers
        return {role: clip_pixels(frames, rows, clips[role], clip, device, buffers) for role, clip in drawn.items()}


def draw_clips(
    rows: np.ndarray, clips: Mapping[str, ClipSpec], lengths: Mapping[str, np.ndarray], frames: Frames, seed: int, step: int
) -> dict[str, Drawn]:
    """Frames and transforms of every clip of the walks `rows`, each clip with streams of its own."""
    out = {}
    for i, (role, spec) in enumerate(clips.items()):
        numbers, counts = frame_numbers(lengths[spec.modality][rows], spec, generator(seed, step, 2 * i + 1))
        transforms = None
        if spec.augment != Augment():
            size = frames.layout(spec.modality).seen[1:]
            transforms = augment.draw(len(rows), spec.augment, size, spec.width, generator(seed, step, 2 * i + 2))
        out[role] = Drawn(numbers, counts, transforms)
    return out


def clip_pixels(frames: Frames, rows: np.ndarray, spec: ClipSpec, drawn: Drawn, device: torch.device, buffers: Buffers) -> Tensor:
    """Clips uint8 `n t c h w` on `device`; packed bits and joints travel there, all else happens there."""
    layout = frames.layout(spec.modality)
    stored = torch.from_numpy(frames.gather(spec.modality, rows, drawn.numbers)).to(device, non_blocking=True)
    numbers = torch.tensor(drawn.numbers, device=device) if layout.drawn else None
    clips = pixels(stored, layout, spec.width, buffers, numbers)
    if drawn.transforms is not None:
        warped = np.flatnonzero(drawn.transforms.warped)
        if len(warped):
            which = torch.from_numpy(warped).to(device)
            source = pixels(stored[which], layout, None, buffers, None if numbers is None else numbers[which])
            augment.warp(source, drawn.transforms.source[warped], clips, warped)
        augment.finish(clips, drawn.transforms)
    return clips


def whole_walks(store: Store, rows: np.ndarray, clips: ClipSpec | Mapping[str, ClipSpec], device: torch.device) -> Batch:
    """Test time: the given walks from first to last frame (at most `limit`), not augmented, padded with zeros to the longest.

    A single ClipSpec is the clip "gait". Walks are unlabelled (subject -1).
    """
    clips = {"gait": clips} if isinstance(clips, ClipSpec) else clips
    clips = {role: spec.whole() for role, spec in clips.items()}
    return _unlabelled(store, LocalFrames(store, {spec.modality for spec in clips.values()}), rows, clips, device, 0, 0)


def stream(
    store: Store, clips: Mapping[str, ClipSpec], batch: int, seed: int, step: int, device: torch.device, split: str = "train"
) -> Batch:
    """Unlabelled batch of `step`: every walk of the split once per epoch, in an order of the epoch's own."""
    rows = epoch_rows(Subjects.of(store.index, split).rows, batch, seed, step)
    return _unlabelled(store, LocalFrames(store, {spec.modality for spec in clips.values()}), rows, clips, device, seed, step)


def ahead(make: Callable[[int], Batch], start: int, stop: int, depth: int = 1) -> Generator[Batch]:
    """make(start), ..., make(stop - 1); while one is in use, threads make the next `depth`."""
    with ThreadPoolExecutor(depth, "feed") as threads:
        coming = deque(threads.submit(make, step) for step in range(start, min(start + depth, stop)))
        try:
            for step in range(start + depth, stop + depth):
                now = coming.popleft().result()
                if step < stop:
                    coming.append(threads.submit(make, step))
                yield now
        finally:
            for batch in coming:
                batch.cancel()


def _unlabelled(
    store: Store, frames: Frames, rows: np.ndarray, clips: Mapping[str, ClipSpec], device: torch.device, seed: int, step: int
) -> Batch:
    rows = np.asarray(rows, np.int64)
    drawn = draw_clips(rows, clips, _lengths(store, clips, rows), frames, seed, step)
    buffers = Buffers()
    seen = {role: clip_pixels(frames, rows, clips[role], clip, device, buffers) for role, clip in drawn.items()}
    return _batch(seen, drawn, np.full(len(rows), -1), rows, device, buffers)


def _lengths(store: Store, clips: Mapping[str, ClipSpec], rows: np.ndarray) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for modality in {spec.modality for spec in clips.values()}:
        lengths = walk_frames(store, modality)
        lacking = rows[lengths[rows] == 0]
        if len(lacking):
            raise ValueError(
                f"{len(lacking)} walks have no {modality} frames, the first is {store.index['key'].iloc[lacking[0]]!r}; ingest without them"
            )
        out[modality] = lengths
    return out


def _part(drawn: Drawn, part: slice) -> Drawn:
    transforms = drawn.transforms and drawn.transforms.of(part)
    return Drawn(drawn.numbers[part], drawn.lengths[part], transforms)


def _batch(
    clips: Mapping[str, Tensor], drawn: Mapping[str, Drawn], label: np.ndarray, rows: np.ndarray, device: torch.device, buffers: Buffers
) -> Batch:
    def to_float(clip: Tensor) -> Tensor:
        out = buffers.empty(clip.shape, torch.float32) if clip.device.type == "cpu" else torch.empty(clip.shape, device=device)
        return out.copy_(clip).mul_(1 / 255)

    return Batch(
        {role: to_float(clip) for role, clip in clips.items()},
        {role: torch.from_numpy(clip.lengths).to(device) for role, clip in drawn.items()},
        torch.from_numpy(label).to(device),
        torch.from_numpy(rows).to(device),
    )
