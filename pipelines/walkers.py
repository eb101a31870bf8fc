"""Looking at the walkers: `python pipelines/walkers.py look --out DIR` writes a contact sheet and moving pictures.

A sheet's rows are identities x conditions, its columns views; a view shows one instant as silhouette, LiDAR range view (near is red)
and skeleton map (joints yellow, limbs blue). The GIF shows every row walk.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
import tyro
from PIL import Image, ImageDraw, ImageFont

from gaitlab.command import understood
from gaitlab.data.skeletons import maps, unpack
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.guard import guarded
from gaitlab.walkers.mocap import MocapSource
from gaitlab.walkers.presets import CLOTHES, STANDARD, WILD
from gaitlab.walkers.source import CONDITIONS, Generated, WalkersSource

MARGIN = 104
"""Pixels at the left for the names."""
CROP = slice(8, 56)
"""Columns that are shown."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Draw a few people: `sheet.png`, and `walk.gif` at the speed they walk."""

    out: Path = Path("look")
    """Folder that is written to."""
    kind: Literal["stage", "clothes", "wild"] = "stage"
    """The eight conditions from several sides, change of clothes, or whatever surveillance cameras meet."""
    root: str = ""
    """Recorded joints (.npz, or a folder of .asf and .amc): draw these people instead of the generator's."""
    subjects: int = 2
    views: tuple[int, ...] = (0, 36, 90, 144, 180)
    conditions: tuple[str, ...] = ()
    """All that the kind has, if not given; normal is a plain walk, with + several at once."""
    seed: int = 0
    scale: int = 1
    """Screen pixels per pixel."""
    segmentation_noise: float = 1.0


def source(look: Look) -> SourceConfig:
    if look.root:
        return MocapSource(
            root=look.root,
            views=look.views,
            conditions=look.conditions or CONDITIONS,
            seed=look.seed,
            segmentation_noise=look.segmentation_noise,
        )
    preset: Generated = {"stage": STANDARD, "clothes": CLOTHES, "wild": WILD}[look.kind]
    if isinstance(preset, WalkersSource):
        preset = replace(preset, views=look.views, conditions=look.conditions or preset.conditions)
    few = replace(preset, train_subjects=0, validation_subjects=0, test_subjects=look.subjects)
    return replace(few, seed=look.seed, segmentation_noise=look.segmentation_noise)


def rows(people: SourceConfig, look: Look) -> dict[str, list[Walk]]:
    """Name -> walks shown side by side: of each subject and condition the first in every view; in the wild a subject's first five."""
    out: dict[str, list[Walk]] = {}
    for walk in people.walks():
        wild = look.kind == "wild" and not look.root
        name = walk.subject if wild else f"{walk.subject} {'+'.join(walk.conditions) or 'normal'}"
        row = out.setdefault(name, [])
        if (wild and len(row) < 5) or not row or (walk.session, walk.take) == (row[0].session, row[0].take):
            row.append(walk)
    subjects = sorted({name.split()[0] for name in out})[: look.subjects]
    return {name: row for name, row in out.items() if name.split()[0] in subjects}


def pictures(people: SourceConfig, walk: Walk) -> np.ndarray:
    """uint8 `[t, 66, 3 x 48 + border, 3]`: the three modalities of a walk side by side."""
    seen = people.load(walk)
    skeleton = maps(unpack(torch.from_numpy(seen["joints"]))[None])[0].numpy()
    silhouette = np.repeat(seen["silhouette"][..., None], 3, -1)
    near = np.stack([cv2.applyColorMap(frame, cv2.COLORMAP_TURBO)[..., ::-1] for frame in seen["range"]])
    near[seen["range"] == 0] = 0
    joints, limbs = skeleton[:, 0], skeleton[:, 1]
    drawn = np.stack([joints, np.maximum(joints, limbs // 2), limbs], -1)
    tiles = np.concatenate([tile[:, :, CROP] for tile in (silhouette, near, drawn)], axis=2)
    return np.pad(tiles, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=90)


def sheet(clips: dict[str, list[np.ndarray]], instant: Sequence[int], heads: Sequence[str], scale: int) -> Image.Image:
    """All clips at an instant, with the names of rows and views."""
    body = np.vstack([np.hstack([clip[min(i, len(clip) - 1)] for clip, i in zip(row, instant, strict=False)]) for row in clips.values()])
    image = Image.new("RGB", (body.shape[1] + MARGIN, body.shape[0] + 14), (255, 255, 255))
    image.paste(Image.fromarray(body), (MARGIN, 14))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=9)
    width = next(iter(clips.values()))[0].shape[2]
    for k, head in enumerate(heads):
        pen.text((MARGIN + k * width + 4, 1), head, fill=(0, 0, 0), font=font)
    for k, name in enumerate(clips):
        for line, word in enumerate(name.split()):
            pen.text((2, 20 + 66 * k + 12 * line), word, fill=(0, 0, 0), font=font)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def look_at(look: Look) -> None:
    if look.subjects < 1 or look.scale < 1:
        raise ValueError("--subjects and --scale are 1 or more")
    if look.conditions and (look.kind == "wild" and not look.root):
        raise ValueError("--kind wild draws conditions as they happen; leave --conditions out")
    if look.root and look.kind != "stage":
        raise ValueError("recorded people are shown on the stage; leave --kind out, or --root")
    people = source(look)
    shown = rows(people, look)
    clips = {name: [pictures(people, walk) for walk in row] for name, row in shown.items()}
    most = max(map(len, clips.values()))
    clips = {name: row + [np.zeros_like(row[0])] * (most - len(row)) for name, row in clips.items()}
    heads = [f"view {view}" for view in look.views] if look.kind != "wild" or look.root else [f"walk {k + 1}" for k in range(most)]
    look.out.mkdir(parents=True, exist_ok=True)
    length = min(len(clip) for row in clips.values() for clip in row)
    sheet(clips, [length // 3] * most, heads, look.scale).save(look.out / "sheet.png")
    film = [sheet(clips, [t] * most, heads, look.scale) for t in range(length)]
    film[0].save(look.out / "walk.gif", save_all=True, append_images=film[1:], duration=40, loop=0)
    print(f"{look.out / 'sheet.png'}\n{look.out / 'walk.gif'}")


if __name__ == "__main__":
    guarded(lambda: look_at(understood(lambda: tyro.extras.subcommand_cli_from_dict({"look": Look}, description=__doc__))))
