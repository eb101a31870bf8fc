"""Looking at the walkers: `python pipelines/walkers.py look --out DIR` writes a contact sheet and moving pictures.

A sheet's rows are identities x conditions, its columns views x frames of one walk; a GIF shows every row walk in all views.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.sources.mocap import MocapSource
from gaitlab.data.sources.walkers import WalkersSource

BORDER = 90
"""Grey level between the pictures."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Draw a few people: `sheet.png`, and `walk.gif` at the speed they walk."""

    out: Path = Path("look")
    """Folder that is written to."""
    root: Path | None = None
    """An npz of recorded joints: draw its people instead of the generator's."""
    subjects: int = 4
    views: tuple[int, ...] = (0, 36, 90, 144, 180)
    moments: int = 3
    """Frames of each walk on the sheet."""
    seed: int = 0
    scale: int = 2
    """Screen pixels per pixel."""
    segmentation_noise: float = 1.0


def source(look: Look) -> SourceConfig:
    if look.root is None:
        return WalkersSource(
            seed=look.seed,
            train_subjects=0,
            validation_subjects=0,
            test_subjects=look.subjects,
            views=look.views,
            segmentation_noise=look.segmentation_noise,
        )
    return MocapSource(root=str(look.root), seed=look.seed, views=look.views, segmentation_noise=look.segmentation_noise)


def rows(people: SourceConfig, subjects: int) -> list[list[Walk]]:
    """One row per subject and condition: the first such walk, in every view."""
    first: dict[tuple[str, tuple[str, ...]], list[Walk]] = {}
    for walk in people.walks():
        row = first.setdefault((walk.subject, walk.conditions), [])
        if not row or (walk.session, walk.take) == (row[0].session, row[0].take):
            row.append(walk)
    wanted = sorted({subject for subject, _ in first})[:subjects]
    return [row for (subject, _), row in sorted(first.items()) if subject in wanted]


def framed(clip: np.ndarray) -> np.ndarray:
    """`[t, 64, 64]` -> the middle 48 columns with a border, `[t, 66, 50]`."""
    return np.pad(clip[:, :, 8:56], ((0, 0), (1, 1), (1, 1)), constant_values=BORDER)


def picture(grey: np.ndarray, scale: int) -> Image.Image:
    return Image.fromarray(np.kron(grey, np.ones((scale, scale), np.uint8)))


def main(look: Look) -> None:
    people = source(look)
    clips = [[framed(people.load(walk)["silhouette"]) for walk in row] for row in rows(people, look.subjects)]
    sheet = [[clip[np.linspace(0, len(clip) // 2, look.moments, dtype=int)] for clip in row] for row in clips]
    look.out.mkdir(parents=True, exist_ok=True)
    picture(np.vstack([np.hstack([np.hstack(list(clip)) for clip in row]) for row in sheet]), look.scale).save(look.out / "sheet.png")
    length = min(len(clip) for row in clips for clip in row)
    film = [picture(np.vstack([np.hstack([clip[t] for clip in row]) for row in clips]), look.scale) for t in range(length)]
    film[0].save(look.out / "walk.gif", save_all=True, append_images=film[1:], duration=40, loop=0)
    print(f"{look.out / 'sheet.png'}\n{look.out / 'walk.gif'}")


if __name__ == "__main__":
    choice = tyro.extras.subcommand_cli_from_dict({"look": Look}, description=__doc__)
    try:
        main(choice)
    except ValueError as error:
        raise SystemExit(str(error)) from None
