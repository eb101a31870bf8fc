"""The contact sheet of an ingest: a few walks as they were given, and what they were taken for. One look tells whether that is right."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SHEET = "_sheet.png"  # readers of Parquet folders pass over names that begin with an underscore
ROWS = 8
"""Walks on a sheet."""
HIGH, WIDE = 128, 192
"""Pixels of a picture: its height, and its most width."""
GAP, HEAD = 6, 16
"""Pixels between pictures, and of a line of text."""
ABOUT = "Frames as networks will see them. Where files are images, one of them as it was given stands before."
PAPER = 60
"""Grey on which black frames have edges."""


def draw_sheet(rows: Sequence[tuple[str, Sequence[np.ndarray]]], path: Path) -> None:
    """Writes a PNG. rows: a name and its pictures, uint8 `[h, w]` or `[h, w, 3]`, of any size."""
    fitted = [(name, [_fitted(picture) for picture in pictures]) for name, pictures in rows]
    width = max(sum(picture.shape[1] + GAP for picture in pictures) for _, pictures in fitted) + GAP
    sheet = Image.new("RGB", (max(width, 560), HEAD + GAP + len(fitted) * (HEAD + HIGH + GAP)), (PAPER,) * 3)
    letters = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"  # Pillow's own font has no accents
    pen, font = ImageDraw.Draw(sheet), ImageFont.truetype(letters, 11)
    pen.text((GAP, 2), ABOUT, fill=(255, 255, 255), font=font)
    for row, (name, pictures) in enumerate(fitted):
        x, y = GAP, HEAD + GAP + row * (HEAD + HIGH + GAP)
        pen.text((x, y), name, fill=(255, 255, 255), font=font)
        for picture in pictures:
            sheet.paste(Image.fromarray(picture), (x, y + HEAD))
            x += picture.shape[1] + GAP
    sheet.save(path)


def _fitted(picture: np.ndarray) -> np.ndarray:
    """uint8 `[h, w, 3]`, as large as there is room."""
    h, w = picture.shape[:2]
    scale = min(HIGH / h, WIDE / w)
    size = max(1, round(w * scale)), max(1, round(h * scale))
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    return np.ascontiguousarray(picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2))
