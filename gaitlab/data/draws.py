"""Which walks make a batch: pure functions of (seed, step), the same on any number of workers and after a crash."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

ROWS = 0
"""Stream of the walks of a batch; clip number i uses the streams 2i + 1 (frames) and 2i + 2 (transforms)."""


def generator(seed: int, step: int, stream: int) -> np.random.Generator:
    """Counter-based generator of one use within one step: nothing has to be replayed to reach step 41,000."""
    key = np.array([seed, step], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, stream], np.uint64)))


def picks(rng: np.random.Generator, sizes: np.ndarray, counts: np.ndarray | int) -> np.ndarray:
    """For every i, `counts[i]` of the numbers 0..sizes[i]-1 in random order: int64 `[n, max(counts)]`.

    Distinct where sizes[i] >= counts[i], else drawn with replacement. What stands behind counts[i] is arbitrary.
    """
    counts = np.broadcast_to(np.asarray(counts, np.int64), sizes.shape)
    wanted = int(counts.max())
    width = max(int(sizes.max()), wanted)
    bits = max(int(width - 1).bit_length(), 1)
    column = np.arange(width, dtype=np.uint64)
    # One sort of `random | column`, its highest bit set behind the row's end, shuffles all rows at once.
    keys = rng.bit_generator.random_raw(len(sizes) * width).reshape(len(sizes), width)
    keys >>= np.uint64(bits + 1)
    keys <<= np.uint64(bits)
    keys |= column
    keys[column >= sizes[:, None]] |= np.uint64(1 << 63)
    keys.sort(axis=1)
    keys &= np.uint64((1 << bits) - 1)
    out = keys[:, :wanted].astype(np.int64)
    short = np.flatnonzero(sizes < counts)
    if len(short):
        out[short] = rng.random((len(short), wanted)) * sizes[short, None]
    return out


@dataclass(frozen=True)
class Subjects:
    """Walks of a split grouped by subject.

    names: subjects, sorted; a label is a position in it. rows: int64 `[m]`, rows of the index, subject after subject.
    starts: int64 `[k + 1]`; subject i owns rows[starts[i]:starts[i + 1]]. label: int64, per row of the index (-1 = nobody's, or not in
    the split). members: int64, all rows of the split, also those of walks that are nobody's (subject "").
    """

    names: list[str]
    rows: np.ndarray
    starts: np.ndarray
    label: np.ndarray
    members: np.ndarray

    @classmethod
    def of(cls, index: pd.DataFrame, split: str, usable: np.ndarray | None = None) -> "Subjects":
        """usable: bool, per row of the index; the others are as if they were not in the split."""
        member = np.flatnonzero((index["split"] == split).to_numpy() & (True if usable is None else usable))
        if not len(member):
            found = ", ".join(sorted(set(index["split"])))
            raise ValueError(f"the data has no walk of split {split!r}; it has: {found}")
        subject = index["subject"].to_numpy(dtype=str)
        known = member[subject[member] != ""]
        names, code = np.unique(subject[known], return_inverse=True)
        label = np.full(len(index), -1, np.int64)
        label[known] = code
        starts = np.concatenate(([0], np.cumsum(np.bincount(code, minlength=len(names))))).astype(np.int64)
        return cls([str(name) for name in names], known[np.argsort(code, kind="stable")], starts, label, member)


def pk_rows(subjects: Subjects, p: int, k: int, seed: int, step: int) -> np.ndarray:
    """Rows `[p * k]` of the batch of `step`: p distinct subjects, k walks each, without repeats where a subject has k walks."""
    if p > len(subjects.names):
        known = len(subjects.names)
        if not known:
            raise ValueError("no training walk has a subject; --data.draw walks takes them without")
        raise ValueError(f"only {known} training subjects: p can be at most {known} (--data.subjects-per-batch {known})")
    rng = generator(seed, step, ROWS)
    chosen = rng.choice(len(subjects.names), p, replace=False)
    first = subjects.starts[chosen]
    return subjects.rows[(first[:, None] + picks(rng, subjects.starts[chosen + 1] - first, k)).ravel()]


Draw = Literal["subjects", "walks"]
"""What a batch of P x K walks is drawn by: P subjects and K walks of each, or walks alone, each once an epoch."""


def batch_rows(subjects: Subjects, draw: Draw, p: int, k: int, seed: int, step: int) -> np.ndarray:
    """Rows `[p * k]` of the batch of `step`."""
    return pk_rows(subjects, p, k, seed, step) if draw == "subjects" else epoch_rows(subjects.members, p * k, seed, step)


def epoch_rows(rows: Sequence[int] | np.ndarray, batch: int, seed: int, step: int) -> np.ndarray:
    """Rows `[batch]` of `step` when all rows are streamed once per epoch in an order of that epoch's own."""
    rows = np.asarray(rows, np.int64)
    position = np.arange(step * batch, (step + 1) * batch)
    out = np.empty(batch, np.int64)
    for epoch in np.unique(position // len(rows)):
        now = position // len(rows) == epoch
        out[now] = rows[generator(seed, int(epoch), ROWS).permutation(len(rows))[position[now] % len(rows)]]
    return out
