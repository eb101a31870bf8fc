"""Raw frames: `ID/TYPE/VIEW/*.png`, masks of any size and kind, one file per frame, cropped and centred on the way in."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from gaitlab.data.frames import align
from gaitlab.data.silhouettes import NOBODY
from gaitlab.data.source import Walk
from gaitlab.data.sources.images import read_image
from gaitlab.data.sources.masks import masks, seen
from gaitlab.data.sources.tree import TreeSource, files_in, natural
from gaitlab.within import Within

IMAGES = (".png", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True, kw_only=True)
class FrameFolders(TreeSource):
    """Masks, in the natural order of their names (2 before 10); a `gei.png` beside them is ignored."""

    size: Annotated[int, Within(8)] = 64
    """Height and width of the frames that are written."""
    interpolation: Literal["cubic", "area"] = "cubic"
    """Of the resize; CCPG was prepared with area."""

    def files(self, names: Sequence[str]) -> dict[str, str]:
        chosen = _images(names)
        if not chosen:
            raise ValueError(f"the folder has no image ({', '.join(IMAGES)})")
        kinds = sorted({os.path.splitext(name)[1].lower().replace(".jpeg", ".jpg") for name in chosen})
        if len(kinds) > 1:
            raise ValueError(f"has {' and '.join(kinds)} files, and every one of them would be a frame; leave one kind there")
        return {"silhouette": ""}

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        paths = _paths(walk)
        drawn, said = masks(paths, invert=self.invert, person=self.label)
        aligned = [align(mask, self.size, interpolation=self.interpolation) for mask in drawn]
        kept = [frame for frame in aligned if frame is not None]
        if not kept:
            raise ValueError(f"{walk.files['silhouette']}: {NOBODY.format(len(paths))}")
        if said:
            warnings.warn(said, stacklevel=2)
        return {"silhouette": np.stack(kept)}

    def shown(self, walk: Walk) -> list[np.ndarray]:
        paths = _paths(walk)
        return [seen(read_image(paths[len(paths) // 2])), *super().shown(walk)]


def _paths(walk: Walk) -> list[Path]:
    folder = Path(walk.files["silhouette"])
    return [folder / name for name in _images(files_in(folder))]


def _images(names: Sequence[str]) -> list[str]:
    return sorted((n for n in names if n.lower().endswith(IMAGES) and n.lower() != "gei.png"), key=natural)
