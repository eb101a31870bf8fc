"""From a store to batches: P x K draws, frame numbers, packed bits to the device, and everything else there."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gaitlab.data import augment, vectors
from gaitlab.data.augment import Transforms
from gaitlab.data.buffers import Buffers
from gaitlab.data.clips import Spans, frame_numbers, shows, spans, stored_modality
from gaitlab.data.draws import Draw, Subjects, batch_rows, generator
from gaitlab.data.store import Store
from gaitlab.data.unpack import Layout, columns, pixels
from gaitlab.types import VECTORS, Augment, Batch, ClipSpec


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
        self._layouts = {m: Layout(frames.shape, frames.packed, stored[m] != m) for m, frames in self._maps.items()}

    def layout(self, modality: str) -> Layout:
        return self._layouts[modality]

    def gather(self, modality: str, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        index = self._maps[modality].offsets[rows, None] + numbers
        frames = np.take(self._maps[modality].data, index, axis=0)
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
    """Batches of P subjects x K walks, or of P x K walks whoever they are of.

    Batch number `step` depends on `seed` and `step` only; rank r gets its rows r::world.
    """

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
        draw: Draw = "subjects",
        targets: Sequence[str] = (),
        frames: Frames | None = None,
    ) -> None:
        """targets: conditions that a batch's `target` numbers. frames: where they come from, if not from the node's memory map."""
        self._frames = frames or LocalFrames(store, {spec.modality for spec in clips.values()})
        self._subjects = learners(store, clips, split)
        self.subjects = self._subjects.names
        """Training subjects, sorted; a label is a position in it."""
        self.walks = len(self._subjects.members)
        self.left_out = int((store.index["split"] == split).sum()) - self.walks
        """Walks of the split that lack frames of a clip."""
        self._clips, self._p, self._k, self._seed, self._by = dict(clips), p, k, seed, draw
        rows = self._subjects.rows if draw == "subjects" else self._subjects.members
        self._target = target_codes(store, targets, rows) if targets else None
        self._mine, self._buffers = slice(rank, None, world), Buffers()
        self._spans = spans(store, clips, rows)
        for spec in clips.values():
            columns(self._frames.layout(spec.modality).seen[2], spec.width)
        batch_rows(self._subjects, draw, p, k, seed, 0)

    def batch(self, step: int, device: torch.device) -> Batch:
        """The batch of `step`: a pure function of (seed, step)."""
        rows, drawn = self._draw(step)
        pixels, label = self._pixels(rows, drawn, device), self._subjects.label[rows]
        return _batch(pixels, drawn, self._clips, label, rows, device, self._buffers, self._target)

    def uint8(self, step: int, device: torch.device) -> dict[str, Tensor]:
        """The clips of `batch(step)` before their conversion to float: uint8 `n t c h w`, 0..255."""
        return self._pixels(*self._draw(step), device)

    def batches(self, start: int, stop: int, device: torch.device) -> Iterator[Batch]:
        """Batches of the steps start..stop-1, the next one made in a thread while one is in use."""
        return ahead(lambda step: self.batch(step, device), start, stop)

    def _draw(self, step: int) -> tuple[np.ndarray, dict[str, Drawn]]:
        rows = batch_rows(self._subjects, self._by, self._p, self._k, self._seed, step)
        drawn = draw_clips(rows, self._clips, self._spans, self._frames, self._seed, step)
        return rows[self._mine], {role: _part(clip, self._mine) for role, clip in drawn.items()}

    def _pixels(self, rows: np.ndarray, drawn: Mapping[str, Drawn], device: torch.device) -> dict[str, Tensor]:
        frames, clips, buffers = self._frames, self._clips, self._buffers
        return {role: clip_pixels(frames, rows, clips[role], clip, device, buffers) for role, clip in drawn.items()}


class FeedMaker(Protocol):
    """What makes the feed of one rank: `Feed` itself, or one of data that lie elsewhere than in the node's memory map."""

    def __call__(
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
        draw: Draw = "subjects",
        targets: Sequence[str] = (),
    ) -> Feed: ...


def learners(store: Store, clips: Mapping[str, ClipSpec], split: str = "train") -> Subjects:
    """People of a split and their walks that have frames for all of `clips`; the other walks are left out."""
    usable = shows(store, clips)
    inside = (store.index["split"] == split).to_numpy()
    if inside.any() and not usable[inside].any():
        needed = " and ".join(dict.fromkeys(spec.modality for spec in clips.values()))
        raise ValueError(f"no {split} walk of {store.root.name} has {needed} frames; ingest data that have them")
    return Subjects.of(store.index, split, usable)


def draw_clips(rows: np.ndarray, clips: Mapping[str, ClipSpec], walks: Spans, frames: Frames, seed: int, step: int) -> dict[str, Drawn]:
    """Frames and transforms of every clip of the walks `rows`, each clip with streams of its own, or with those of the one it follows:
    then its frames are those nearest in time."""
    out: dict[str, Drawn] = {}
    streams = {role: i for i, role in enumerate(clips)}
    for role, spec in clips.items():
        i = streams[spec.follows or role]
        if spec.follows:
            numbers, counts = out[spec.follows].numbers, out[spec.follows].lengths
            if walks.tempo[role] != 1:
                last = walks.frames[spec.modality][rows, None] - 1
                numbers = np.where(numbers < 0, -1, np.minimum(np.rint(numbers * walks.tempo[role]).astype(np.int64), last))
        else:
            numbers, counts = frame_numbers(walks.frames[spec.modality][rows], spec, generator(seed, step, 2 * i + 1))
        transforms = None
        if spec.augment != Augment() and spec.modality not in VECTORS:
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
    clips = {role: replace(spec.whole(), follows=spec.follows) for role, spec in clips.items()}
    frames, rows, buffers = LocalFrames(store, {spec.modality for spec in clips.values()}), np.asarray(rows, np.int64), Buffers()
    drawn = draw_clips(rows, clips, spans(store, clips, rows), frames, 0, 0)
    seen = {role: clip_pixels(frames, rows, clips[role], clip, device, buffers) for role, clip in drawn.items()}
    return _batch(seen, drawn, clips, np.full(len(rows), -1), rows, device, buffers)


def ahead(make: Callable[[int], Batch], start: int, stop: int, depth: int = 1) -> Generator[Batch]:
    """make(start), ..., make(stop - 1); while one is in use, threads make the next `depth`.

    Each computes on one core: OpenMP, asked for more threads than there are cores, lets all of them sleep wherever they wait for one
    another, and a training step beside takes half as long again.
    """
    cores = torch.get_num_threads()
    with ThreadPoolExecutor(depth, "feed", initializer=torch.set_num_threads, initargs=(1,)) as threads:
        coming = deque(threads.submit(make, step) for step in range(start, min(start + depth, stop)))
        try:
            for step in range(start + depth, stop + depth):
                now = coming.popleft().result()
                torch.set_num_threads(cores)  # threads of others, to come, take after the last one set
                if step < stop:
                    coming.append(threads.submit(make, step))
                yield now
        finally:
            for batch in coming:
                batch.cancel()


def target_codes(store: Store, targets: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """int64, per row of the index: which of `targets` the walk's conditions name, -1 for none. ValueError unless all of `rows` name one."""
    number = {condition: i for i, condition in enumerate(targets)}
    named = [[number[condition] for condition in conditions if condition in number] for conditions in store.index["conditions"]]
    codes = np.array([codes[0] if len(codes) == 1 else -1 for codes in named], np.int64)
    wrong = rows[codes[rows] < 0]
    if len(wrong):
        first, there = store.index.iloc[wrong[0]], sorted({c for conditions in store.index["conditions"] for c in conditions})
        raise ValueError(
            f"{len(wrong)} training walks are not of just one of {', '.join(targets)}; the first is {first['key']!r}, "
            f"with the conditions {' '.join(first['conditions']) or '(none)'}; the data have {', '.join(there) or 'none'}"
        )
    return codes


def _part(drawn: Drawn, part: slice) -> Drawn:
    transforms = drawn.transforms and drawn.transforms.of(part)
    return Drawn(drawn.numbers[part], drawn.lengths[part], transforms)


def _batch(
    clips: Mapping[str, Tensor],
    drawn: Mapping[str, Drawn],
    specs: Mapping[str, ClipSpec],
    label: np.ndarray,
    rows: np.ndarray,
    device: torch.device,
    buffers: Buffers,
    target: np.ndarray | None = None,
) -> Batch:
    def to_float(role: str, clip: Tensor) -> Tensor:
        if specs[role].modality in VECTORS:
            return vectors.unpack(clip)
        out = buffers.empty(clip.shape, torch.float32) if clip.device.type == "cpu" else torch.empty(clip.shape, device=device)
        return out.copy_(clip).mul_(1 / 255)

    return Batch(
        {role: to_float(role, clip) for role, clip in clips.items()},
        {role: torch.from_numpy(clip.lengths).to(device) for role, clip in drawn.items()},
        torch.from_numpy(label).to(device),
        torch.from_numpy(rows).to(device),
        None if target is None else torch.from_numpy(target[rows]).to(device),
    )
