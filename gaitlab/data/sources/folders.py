"""Raw frames: `ID/TYPE/VIEW/*.png`, grey masks of any size, one file per frame, cropped and centred on the way in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np

from gaitlab.data.frames import align
from gaitlab.data.source import Walk
from gaitlab.data.sources.tree import TreeSource
from gaitlab.within import Within

IMAGES = (".png", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True, kw_only=True)
class FrameFolders(TreeSource):
    """Masks, person bright on black; frames in the natural order of their names; a `gei.png` beside them is ignored."""

    size: Annotated[int, Within(8)] = 64
    """Height and width of the frames that are written."""
    interpolation: Literal["cubic", "area"] = "cubic"
    """Of the resize; CCPG was prepared with area."""

    def files(self, names: Sequence[str]) -> dict[str, str]:
        if not _images(names):
            raise ValueError(f"the folder has no image ({', '.join(IMAGES)})")
        return {"silhouette": ""}

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        folder = Path(walk.files["silhouette"])
        images = [read_grey(folder / name) for name in _images([path.name for path in folder.iterdir()])]
        if max(int(image.max()) for image in images) == 1:
            images = [image * np.uint8(255) for image in images]
        aligned = [align(image, self.size, interpolation=self.interpolation) for image in images]
        kept = [frame for frame in aligned if frame is not None]
        if not kept:
            raise ValueError(f"{folder}: none of its {len(images)} frames shows anybody")
        return {"silhouette": np.stack(kept)}


def read_grey(path: Path) -> np.ndarray:
    """uint8 `[h, w]`; ValueError when the file is no image."""
    content = np.fromfile(path, np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
    if image is None:
        raise ValueError(f"{path}: is no image that can be read")
    return image


def _images(names: Sequence[str]) -> list[str]:
    def natural(name: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]

    chosen = [n for n in names if n.lower().endswith(IMAGES) and n.lower() != "gei.png" and not n.startswith(".")]
    return sorted(chosen, key=natural)
