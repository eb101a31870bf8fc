"""Where the person is: the pixel values of a walk -> 0 to 255, bright on black, or one line that says what to type.

Two values are two values, whichever they are: the darker one is nobody. Three and more are grey, or labels, of which the user says which
are the person. Bright borders belong to no silhouette. Those who read data ask this, and so does `check` of what was read before.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from gaitlab.data.coding import is_binary

BRIGHT = 128
"""Values of the person's pixels, this and above."""
FAINT = 32
"""A black or white that a compression has disturbed is off by less."""
BORDER = 0.6
"""Share of a walk's outermost pixels above which what is there is the background."""
LABELS = 16
"""Grey has more values than this."""

DARK = f"values below {BRIGHT} only; a silhouette is 0 to 255"
INVERTED = "what is bright is on the border: is the person dark on bright? --invert"
NOBODY = "none of its {} frames shows anybody"
NUMBERS = tuple(map(str, range(256)))


class Levels:
    """How many pixels of a walk have each of the 256 values, and how many of the outermost ones."""

    def __init__(self) -> None:
        self.frames = 0
        self.whole, self.border = np.zeros(256, np.int64), np.zeros(256, np.int64)

    def add(self, frames: np.ndarray) -> None:
        """uint8 `[t, h, w]`."""
        self.frames += len(frames)
        self.whole += _counts(frames)
        edges = frames[:, 0], frames[:, -1], frames[:, 1:-1, 0], frames[:, 1:-1, -1]
        self.border += np.bincount(np.concatenate([edge.ravel() for edge in edges]), minlength=256)


def reading(
    levels: Levels,
    *,
    names: Sequence[str] = NUMBERS,
    labels: bool = False,
    split: bool = False,
    invert: bool = False,
    person: Sequence[str] = (),
) -> tuple[np.ndarray, str]:
    """What each of the 256 values stands for, uint8 `[256]`, and a sentence about it, "" where the walk is 0 to 255 already.

    names: of the values, in messages and in `person`, those that the user says are the person. labels: the values have no order but
    that the first is the background. split: grey that lies near black and white is taken for two values that were compressed.
    ValueError for what is no silhouette.
    """
    there = np.flatnonzero(levels.whole)
    table, said = np.arange(256, dtype=np.uint8), ""
    if person:
        table = np.uint8(255) * np.isin(np.asarray(names), [label.lower() for label in person]).astype(np.uint8)
        if not table[there].any():
            raise ValueError(f"has no label {' '.join(person)}; its values are {_listed(names, there)}")
    elif len(there) < 2:
        raise ValueError(NOBODY.format(levels.frames))
    elif len(there) == 2:
        table = np.uint8(255) * (table == there[1])
        words = names[there[0]], names[there[1]]
        if words != ("0", "255"):
            said = f"silhouettes of {words[0]} and {words[1]} are read as {'255 and 0' if invert else '0 and 255'}"
    elif labels or _flat(levels.whole, there):
        dark = f"{DARK}; of labels, " if not labels and there[-1] < BRIGHT else ""
        raise ValueError(f"{dark or 'holds labels: '}say which of {_listed(names, there)} are the person, e.g. --label {names[there[1]]}")
    elif split and _disturbed(levels.whole):
        table = np.uint8(255) * (table >= BRIGHT)
        said = f"silhouettes with faint pixels around black and white are split at {BRIGHT}"
    if invert:
        table = np.uint8(255) - table
    seen, border = table[there], levels.border[there]
    if seen.max() < BRIGHT:
        raise ValueError(DARK)
    if border[seen >= BRIGHT].sum() > BORDER * border.sum():
        wrong = f"--label {' '.join(person)} is the background's" if person else INVERTED
        raise ValueError("what is bright is on the border, after --invert: leave that out" if invert else wrong)
    if border[seen >= FAINT].sum() > BORDER * border.sum():
        raise ValueError("its border is grey: is it a photograph? A mask shows the person bright on black")
    return table, said


def fault(frames: np.ndarray) -> str:
    """Why uint8 `[t, h, w]` are no silhouettes of a person who stands upright and bright on black, or ""."""
    if not frames.any():
        return NOBODY.format(len(frames))
    if frames.max() < BRIGHT:
        return DARK
    levels = Levels()
    levels.add(frames)
    if levels.border[BRIGHT:].sum() > BORDER * levels.border.sum():
        return INVERTED
    return lying(frames)


def lying(frames: np.ndarray) -> str:
    """What to do about exchanged axes, or "": people reach from edge to edge in height, if in anything, and these do in width only."""
    shown = frames[frames.any(axis=(1, 2))]
    rows, columns = shown.max(axis=2) > 0, shown.max(axis=1) > 0
    edge_rows, edge_columns = (max(1, side // 32) for side in frames.shape[1:])
    upright = rows[:, :edge_rows].any(1) | rows[:, -edge_rows:].any(1)
    across = columns[:, :edge_columns].any(1) & columns[:, -edge_columns:].any(1)
    if len(shown) < 2 or across.mean() < 0.5 or upright.mean() > 0.1:
        return ""
    if frames.shape[1] == frames.shape[2]:
        return "the people lie on their side: exchange the last two axes"
    return f"shape {frames.shape} looks like [h, w, frames], MATLAB's order: --frames-last"


def _counts(pixels: np.ndarray) -> np.ndarray:
    if is_binary(pixels):
        counts = np.zeros(256, np.int64)
        counts[255] = cv2.countNonZero(pixels.reshape(-1, pixels.shape[-1]))
        counts[0] = pixels.size - counts[255]
        return counts
    return cv2.calcHist([pixels.reshape(-1, pixels.shape[-1])], [0], None, [256], [0, 256]).ravel().astype(np.int64)


def _flat(counts: np.ndarray, there: np.ndarray) -> bool:
    """Whether a few grey values are labels rather than the soft edge of a person: soft edges are less than the person."""
    return len(there) <= LABELS and bool(there[-1] < BRIGHT or counts[there[1:-1]].max() > counts[there[-1]])


def _disturbed(counts: np.ndarray) -> bool:
    """Whether grey is what JPEG (0.85 to 1, down to quality 30) makes of black and white, rather than soft edges (0 to 0.8)."""
    return bool(counts[1:FAINT].sum() + counts[256 - FAINT : 255].sum() > 0.8 * counts[1:255].sum())


def _listed(names: Sequence[str], there: np.ndarray) -> str:
    shown = [names[value] for value in there[:LABELS]]
    return ", ".join(shown) + (", ..." if len(there) > LABELS else "")
