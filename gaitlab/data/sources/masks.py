"""The image files of a walk -> masks, whatever says who is the person: grey, two colours, a palette, labels of any bits, transparency."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from gaitlab.data.silhouettes import LABELS, NUMBERS, Levels, reading
from gaitlab.data.sources.images import read_image

HELD = 2**30
"""Bytes of a walk's images that stay in memory; of a longer one the others are read again."""

Flatten = Callable[[np.ndarray], np.ndarray]
"""An image -> one uint8 plane `[h, w]`."""


class Images:
    """The images of a walk, as often as one asks."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths, self._held, self._size = paths, list[np.ndarray](), 0

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        for place, path in enumerate(self.paths):
            image = self._held[place] if place < len(self._held) else read_image(path)
            if place == len(self._held) and self._size < HELD:
                self._held.append(image)
                self._size += image.nbytes
            yield image


def masks(paths: Sequence[Path], *, invert: bool = False, person: Sequence[str] = ()) -> tuple[Iterator[np.ndarray], str]:
    """Masks uint8 `[h, w]`, the person bright on black, one after the other, and a sentence about what was taken for what, "" for grey
    ones. invert, person: as in `silhouettes.reading`. ValueError where nobody can know who is the person."""
    images, levels = Images(paths), Levels()
    flatten, names, said = _flattening(images)
    for image in images:
        levels.add(flatten(image)[None])
    try:
        table, more = reading(levels, names=names, labels=names is not NUMBERS, split=True, invert=invert, person=person)
    except ValueError as error:
        raise ValueError(f"{paths[0].parent}: {error}") from None
    there = np.flatnonzero(levels.whole)
    same = np.array_equal(table[there], there)
    drawn = (flatten(image) if same else cv2.LUT(flatten(image), table) for image in images)
    return drawn, said or more


def seen(image: np.ndarray) -> np.ndarray:
    """An image as people see it, uint8 `[h, w, 3]` in the order r g b: transparent where there are checks, dark ones brightened."""
    image = image if image.dtype == np.uint8 else _eight_bits(image, int(image.max()))
    image = image[..., None] if image.ndim == 2 else image
    colours = image[..., 2::-1] if image.shape[2] > 1 else np.repeat(image, 3, axis=2)
    if 0 < colours.max() < 64:
        colours = (colours.astype(np.int64) * 255 // int(colours.max())).astype(np.uint8)
    if image.shape[2] < 4:
        return np.ascontiguousarray(colours)
    y, x = np.indices(image.shape[:2]) * 16 // image.shape[0]
    checks, alpha = np.where((y + x) % 2, 170, 110)[..., None], image[..., 3:] / 255
    return (alpha * colours + (1 - alpha) * checks).astype(np.uint8)


def _flattening(images: Images) -> tuple[Flatten, Sequence[str], str]:
    """What makes planes of these images, the names of their values where these are labels, and a sentence about it."""
    opaque, coloured, deep, most = [], False, False, 0
    for image in images:
        opaque.append({int(image[..., 3].min()), int(image[..., 3].max())} if image.ndim == 3 and image.shape[2] == 4 else set())
        coloured |= not _grey(image)
        if image.dtype == np.uint16:
            deep, most = True, max(most, int(image.max()))
    if len(set().union(*opaque)) > 1:
        if not all(opaque):
            raise ValueError(f"{images.paths[0].parent}: some images have an alpha channel and some have none; give all of them one")
        return lambda image: _eight_bits(image[..., 3], most), NUMBERS, "of images with transparency, what is opaque is read as the person"
    if not coloured and not deep:
        return _plane, NUMBERS, ""
    code, name = (_code, lambda value: f"#{value:06x}") if coloured else (_plane, str)
    there: set[int] = set()
    for image in images:
        there |= set(map(int, pd.unique(code(image).ravel())))
        if len(there) > LABELS:
            return (_brightest if coloured else lambda image: _eight_bits(_plane(image), most)), NUMBERS, ""
    order = sorted(there, key=lambda value: (max(_channels(value)), sum(_channels(value)), value) if coloured else (value,))
    known = np.array(sorted(there))
    ranks = np.array([order.index(value) for value in known], np.uint8)
    names = [*map(name, order), *[""] * (256 - len(order))]
    return lambda image: ranks[np.searchsorted(known, code(image))], names, ""


def _grey(image: np.ndarray) -> bool:
    return image.ndim == 2 or all(np.array_equal(image[..., 0], image[..., c]) for c in (1, 2))


def _plane(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., 0])


def _brightest(image: np.ndarray) -> np.ndarray:
    image = _eight_bits(image, 65535)
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., :3].max(axis=2))


def _code(image: np.ndarray) -> np.ndarray:
    """0xRRGGBB."""
    wide = _eight_bits(image, 65535).astype(np.int32)
    return wide * 0x10101 if wide.ndim == 2 else wide[..., 2] << 16 | wide[..., 1] << 8 | wide[..., 0]


def _channels(code: int) -> tuple[int, int, int]:
    return code >> 16, code >> 8 & 255, code & 255


def _eight_bits(image: np.ndarray, most: int) -> np.ndarray:
    """uint8 of uint8 or uint16 whose largest value is `most`; what is not 0 does not become it."""
    if image.dtype == np.uint8 or most < 256:
        return np.ascontiguousarray(image, np.uint8)
    return ((image.astype(np.int32) + 256) // 257).astype(np.uint8)
