"""What all pictures are laid out with. Sizes are inches, from the widths of the texts, so that nothing is solved when one is drawn."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.path import Path
from matplotlib.textpath import TextPath, text_to_path
from matplotlib.transforms import IdentityTransform

COLOURS = ("#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
"""Distinct for colour-blind readers too (Okabe & Ito)."""


def panels(
    size: tuple[float, float],
    title: str,
    titles: Sequence[str] = ("",),
    *,
    across: int = 1,
    left: float = 0.65,
    right: float = 0.2,
    bottom: float = 0.5,
    legend: Mapping[str, str] = {},
    bar: str = "",
) -> tuple[Figure, list[Axes]]:
    """A panel of `size` inches for each of `titles`, `across` in a row; margins (inches) grow where a text needs more.

    legend: label -> colour, in lines below `title`. bar: the label of a colour bar that `colour_bar` will draw.
    """
    edge, (width, height), down = 0.1, size, -(-len(titles) // across)
    over = max(0.0, widest(titles, 9) - width) / 2  # a title stands out on both sides
    step = (width + 2 * over + 0.2, height + 0.35)
    inner = (across * step[0] - 2 * over - 0.2, down * step[1] - 0.35)
    beyond = max(0.0, width_of(bar) - inner[1]) / 2  # so does the label of a bar
    left, right, bottom = max(left, over + edge), max(right, over + edge), max(bottom, beyond + edge)
    keys = {label: 0.2 + width_of(label, 9) for label in legend}
    total = max(left + inner[0] + right + 0.95 * bool(bar), 2 * edge + max([width_of(title, 12, "bold"), *keys.values()]))
    x, lines, places = edge, 0, {}
    for label, wide in keys.items():
        if not lines or x + wide > total - edge:
            x, lines = edge, lines + 1
        places[label] = (x, 0.24 + 0.2 * lines)
        x += wide + 0.25
    top = 0.38 + 0.2 * lines + max(0.2 * any(titles), beyond)
    tall = top + inner[1] + bottom

    figure = Figure(figsize=(total, tall), dpi=120)
    figure.suptitle(title, x=edge / total, y=1 - edge / tall, ha="left", va="top", fontsize=12, fontweight="bold")
    for label, (x, y) in places.items():
        figure.text(x / total, 1 - y / tall, "■", color=legend[label], va="baseline")
        figure.text((x + 0.2) / total, 1 - y / tall, label, fontsize=9)
    panels = []
    for k, name in enumerate(titles):
        x, y = left + k % across * step[0], top + k // across * step[1] + height
        panels.append(figure.add_axes((x / total, 1 - y / tall, width / total, height / tall)))
        panels[-1].set_title(name, fontsize=9)
    if bar:
        figure.add_axes(((left + inner[0] + over + 0.15) / total, bottom / tall, 0.18 / total, inner[1] / tall))
    return figure, panels


def colour_bar(axes: Axes, picture: AxesImage, label: str) -> None:
    """The colours of `picture` and what they mean."""
    low, high = picture.get_clim()
    axes.imshow(np.linspace(high, low, 256)[:, None], cmap=picture.cmap, vmin=low, vmax=high, aspect="auto", extent=(0, 1, low, high))
    axes.set(xticks=[], ylabel=label)
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.spines[:].set_visible(False)


def bare(axes: Axes) -> None:
    """Nothing but the picture."""
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)


def width_of(text: str, size: float = 10, weight: str = "normal") -> float:
    """Inches."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 70  # 72 points, and up to 3 % for hinting


def widest(texts: Iterable[object], size: float = 10) -> float:
    return max(width_of(str(text), size) for text in texts)


def numbers(axes: Axes, values: np.ndarray, colours: np.ndarray) -> None:
    """Whole numbers in the cells of a picture, as one artist: hundreds of texts would cost more than all else."""
    i, j = np.nonzero(np.isfinite(values))
    paths = [_number(f"{value:.0f}") for value in values[i, j]]
    at = {"offsets": np.stack([j, i], 1), "offset_transform": axes.transData}
    numbers = PathCollection(paths, [1], facecolors=colours[i, j], linewidths=0, **at)
    numbers.set_transform(IdentityTransform())
    axes.add_collection(numbers, autolim=False)


@cache
def _number(text: str) -> Path:
    """Its outline in points, around (0, 0)."""
    path = TextPath((0, 0), text, size=7.5)
    box = path.get_extents()
    return Path(path.vertices - [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2], path.codes)


def plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """One for each label in turn; chance is grey."""
    named = [label for label in labels if label != "chance"]
    return {label: "#b0b0b0" if label == "chance" else COLOURS[named.index(label) % len(COLOURS)] for label in labels}
