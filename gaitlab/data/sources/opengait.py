"""The layout of the field's prepared data sets: `ID/TYPE/VIEW/*.pkl`, one uint8 array `[frames, h, w]` per file."""

import fnmatch
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gaitlab.data import vectors
from gaitlab.data.silhouettes import Levels, lying, reading
from gaitlab.data.source import Walk
from gaitlab.data.sources.datasets import layout
from gaitlab.data.sources.pickles import read_array
from gaitlab.data.sources.tree import Survey, TreeSource
from gaitlab.types import VECTORS

ARRAYS = (".pkl", ".npy")


@dataclass(frozen=True, kw_only=True)
class OpenGaitSource(TreeSource):
    """Pickles (or .npy files) as other tools of the field prepare them."""

    use: tuple[str, ...] = ()
    """Which files hold what, instead of the layout's rule: `silhouette=0` (position) or `silhouette=*sils*` (pattern)."""

    fps: tuple[str, ...] = ()
    """Frames per second of those files, `silhouette=30 depth=10`, where they are other than the layout's."""

    frames_last: bool = False
    """Arrays are [h, w, frames], as MATLAB has them."""

    def survey(self) -> Survey:
        self._rules()
        self.frame_rates()
        return super().survey()

    def files(self, names: Sequence[str]) -> dict[str, str]:
        arrays = [name for name in names if name.lower().endswith(ARRAYS)]
        if not arrays:
            raise ValueError("the folder has no .pkl or .npy file")
        found = {m: next((name for rule in rules if (name := pick(arrays, rule))), "") for m, rules in self._rules().items()}
        if lacking := [m for m, name in found.items() if not name]:
            rules = " or ".join(f"{lacking[0]}={rule}" for rule in self._rules()[lacking[0]])
            raise ValueError(f"no file for {rules} among {', '.join(arrays[:4])}; say which ones to read with --use {lacking[0]}=0")
        return found

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        return {m: self._read(m, path) for m, path in walk.files.items()}

    def _read(self, modality: str, path: str) -> np.ndarray:
        array = read_array(path)
        if modality in VECTORS:
            return as_vectors(array, modality, path)
        if self.frames_last and array.ndim > 1:
            array = np.moveaxis(array, -1, 0)
        if modality == "silhouette":
            return as_silhouettes(array, path, invert=self.invert, person=self.label)
        return as_frames(array, modality, path)

    def frame_rates(self) -> dict[str, float]:
        rates = {} if self.use else dict(layout(self.layout).fps)
        for entry in self.fps:
            m, _, rate = entry.partition("=")
            if m not in self._rules() or not re.fullmatch(r"\d+(\.\d+)?", rate) or not float(rate):
                raise ValueError(f"--fps takes MODALITY=FRAMES PER SECOND of {', '.join(self._rules())}, e.g. silhouette=25; not {entry!r}")
            rates[m] = float(rate)
        return rates

    def _rules(self) -> dict[str, tuple[int | str, ...]]:
        if not self.use:
            return dict(layout(self.layout).files)
        rules: dict[str, tuple[int | str, ...]] = {}
        for entry in self.use:
            m, equals, rule = entry.partition("=")
            if not (m and equals and rule):
                raise ValueError(f"--use takes MODALITY=POSITION or MODALITY=PATTERN, e.g. silhouette=0; not {entry!r}")
            rules[m] = (int(rule) if rule.isdigit() else rule,)
        return rules


def pick(names: Sequence[str], rule: int | str) -> str:
    """The file name that `rule` means (see `Layout.files`), or ""."""
    if isinstance(rule, str):
        return next((name for name in names if fnmatch.fnmatch(name, rule)), "")
    numbers = [re.match(r"(\d+)[-_]", name) for name in names]
    named = {int(number[1]): name for name, number in zip(names, numbers, strict=True) if number}
    if len(named) == len(names) > 1:
        return named.get(rule, "")
    return names[rule] if rule < len(names) else ""


def as_vectors(array: np.ndarray, modality: str, path: str) -> np.ndarray:
    """uint8 `[t, d, 1, 4]` of a file's numbers `[t, d]`."""
    try:
        return vectors.pack(array)
    except ValueError as error:
        raise ValueError(f"{path}: {modality}: {error}") from None


def as_frames(array: np.ndarray, modality: str, path: str) -> np.ndarray:
    """uint8 `[t, h, w]` or `[t, c, h, w]` of what a file holds: channels may come last, masks may be bool."""
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype != np.uint8:
        raise ValueError(f"{path}: pixels are {array.dtype}; they must be uint8, 0 to 255")
    if array.ndim == 4 and array.shape[3] <= 4 < array.shape[1]:
        array = array.transpose(0, 3, 1, 2)
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[1] > 4):
        raise ValueError(f"{path}: shape {array.shape} is neither [frames, h, w] nor [frames, channels, h, w]")
    if 0 in array.shape:
        raise ValueError(f"{path}: the walk is empty (shape {array.shape})")
    return np.ascontiguousarray(array)


def as_silhouettes(array: np.ndarray, path: str, *, invert: bool = False, person: Sequence[str] = ()) -> np.ndarray:
    """uint8 `[t, h, w]`, the person bright on black, of what a file holds: two values may be any (`gaitlab.data.silhouettes`)."""
    array = as_frames(array, "silhouette", path)
    if array.ndim == 4:
        if any(not np.array_equal(array[:, 0], array[:, c]) for c in range(1, array.shape[1])):
            raise ValueError(f"{path}: silhouettes have one channel; these have {array.shape[1]} that differ (--use reads another file)")
        array = np.ascontiguousarray(array[:, 0])
    levels = Levels()
    levels.add(array)
    try:
        table, said = reading(levels, invert=invert, person=person)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if said or invert or person:
        array = cv2.LUT(array.reshape(-1, array.shape[2]), table).reshape(array.shape)
    if wrong := lying(array):
        raise ValueError(f"{path}: {wrong}")
    if said:
        warnings.warn(said, stacklevel=2)
    return array
