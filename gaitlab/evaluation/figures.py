"""Pictures of a result: CMC curves, score distributions, rank-1 by condition, view matrices; of input clips; of a method at work.

Pure functions that return a matplotlib `Figure`; `figure.savefig(path)` writes it. Nothing touches pyplot's global state.
Panels and margins have sizes in inches, from the widths of the texts in them, so that nothing is solved when a picture is drawn.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.path import Path
from matplotlib.textpath import TextPath, text_to_path
from matplotlib.transforms import IdentityTransform

from gaitlab.types import Look

COLOURS = ("#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
"""Distinct for colour-blind readers too (Okabe & Ito)."""


def cmc_figure(curves: Mapping[str, np.ndarray], *, title: str = "Cumulative match") -> Figure:
    """label -> percent at rank 1, 2, ..."""
    colours = _colours(curves)
    legend = {f"{label}  ({curve[0]:.1f} %)": colours[label] for label, curve in curves.items()}
    figure, (axes,) = _panels((5.6, 3.3), title, legend=legend)
    for curve, colour in zip(curves.values(), legend.values(), strict=True):
        axes.plot(np.arange(1, len(curve) + 1), curve, color=colour, linewidth=1.8)
    axes.set(xscale="log", xlabel="rank k", ylabel="probes with a mate among the first k (%)", ylim=(0, 101))
    longest = max(len(curve) for curve in curves.values())
    ticks = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= longest]
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    _plain(axes)
    return figure


def score_figure(positives: np.ndarray, negatives: np.ndarray, *, title: str = "Distances between walks") -> Figure:
    """Densities of the distances between walks of the same and of different subjects, and where they err equally often."""
    legend = {"same person": COLOURS[1], "different people": COLOURS[0]}
    figure, (axes,) = _panels((5.9, 2.5), title, left=0.4, legend=legend)
    both = np.concatenate([positives, negatives])
    edges = np.linspace(both.min(), np.nextafter(both.max(), np.inf), 81)
    densities = [np.histogram(values, edges, density=True)[0] for values in (positives, negatives)]
    for density, colour in zip(densities, legend.values(), strict=True):
        axes.stairs(density, edges, fill=True, color=colour, alpha=0.45)
        axes.stairs(density, edges, color=colour, linewidth=1.2)
    threshold, error = equal_error(positives, negatives)
    axes.axvline(threshold, color="#333333", linewidth=1, linestyle=":")
    side = "left" if threshold < (edges[0] + edges[-1]) / 2 else "right"
    axes.text(threshold, 0.99, f"  EER {100 * error:.1f} %  ", ha=side, va="top", transform=axes.get_xaxis_transform())
    axes.set(xlabel="distance", ylabel="density", yticks=[], ylim=(0, 1.15 * np.max(densities)))
    _plain(axes)
    return figure


def open_set_figure(curves: Mapping[str, Mapping[str, np.ndarray]], *, title: str = "Open set") -> Figure:
    """label -> FAR, DIR and TAR in percent (`result.curves`): identification and verification side by side."""
    names = {"DIR": "enrolled people found, rank 1 (%)", "TAR": "pairs of one person accepted (%)"}
    false = {"DIR": "strangers who raise an alarm (%)", "TAR": "pairs of different people accepted (%)"}
    figure, panels = _panels((3.7, 2.7), title, [f"{kind}: {name}" for kind, name in names.items()], across=2, legend=_colours(curves))
    for axes, kind in zip(panels, names, strict=True):
        for label, colour in _colours(curves).items():
            axes.plot(curves[label]["FAR"], curves[label][kind], color=colour, linewidth=1.8)
        axes.set(xscale="log", xlabel=false[kind], ylim=(0, 101))
        axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
        axes.minorticks_off()
        _plain(axes)
    panels[1].tick_params(axis="y", labelleft=False)
    return figure


def equal_error(positives: np.ndarray, negatives: np.ndarray) -> tuple[float, float]:
    """(threshold, rate): accepting distances up to it rejects as large a share of positives as it accepts of negatives."""
    at = np.unique(np.concatenate([positives, negatives]))
    rejected = 1 - np.searchsorted(np.sort(positives), at, side="right") / len(positives)
    accepted = np.searchsorted(np.sort(negatives), at, side="right") / len(negatives)
    best = int(np.argmin(np.abs(rejected - accepted)))
    return float(at[best]), float((rejected[best] + accepted[best]) / 2)


def bars_figure(rank1: Mapping[str, pd.Series], *, title: str = "Rank-1 by condition") -> Figure:
    """label -> rank-1 percent by probe set (`result.table["rank-1"]`)."""
    sets = list(next(iter(rank1.values())).index)
    group = max(0.3 * (len(rank1) + 1), _widest(sets) + 0.15)
    figure, (axes,) = _panels((max(2.4, group * len(sets)), 2.8), title, legend=_colours(rank1), bottom=0.3)
    width = 0.84 / len(rank1)
    for i, (label, colour) in enumerate(_colours(rank1).items()):
        at = np.arange(len(sets)) + (i - (len(rank1) - 1) / 2) * width
        percent = rank1[label].reindex(sets).to_numpy(float)
        axes.bar(at, percent, width * 0.94, color=colour)
        for x, value in zip(at, percent, strict=True):
            if np.isfinite(value):
                axes.text(x, value + 1, f"{value:.0f}", ha="center", fontsize=8, color="#333333")
    axes.set_xticks(np.arange(len(sets)), sets)
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel="rank-1 (%)", xlim=(-0.55, len(sets) - 0.45), ylim=(0, 108), yticks=range(0, 101, 20))
    _plain(axes)
    return figure


def views_figure(matrices: Mapping[str, pd.DataFrame], *, title: str = "Rank-1 by view") -> Figure:
    """label -> rank-1 percent by probe view (rows) and gallery view (columns), side by side on one colour scale, at most three in a row.

    All panels have the same views; those that a matrix lacks stay blank.
    """
    probe, gallery = (sorted({view for m in matrices.values() for view in m.axes[k]}) for k in (0, 1))
    cell = 0.42 if max(len(probe), len(gallery)) > 3 else 0.8
    across = min(3, len(matrices))
    upright = _widest(gallery) > cell - 0.05
    figure, panels = _panels(
        (cell * len(gallery), cell * len(probe)),
        title,
        [f"{label} (others {_off_diagonal(matrix):.1f} %)" for label, matrix in matrices.items()],
        across=across,
        left=0.4 + _widest(probe),
        bottom=0.35 + (_widest(gallery) if upright else 0.15),
        bar="rank-1 (%)",
    )
    for k, (axes, matrix) in enumerate(zip(panels, matrices.values(), strict=True)):
        values = matrix.reindex(index=probe, columns=gallery).to_numpy(float)
        picture = axes.imshow(values, cmap="viridis", vmin=0, vmax=100, aspect="auto")
        _bare(axes)
        _numbers(axes, values, np.where(values < 62, "white", "black"))
        if k % across == 0:
            axes.set_yticks(range(len(probe)), probe)
            axes.set_ylabel("probe view")
        if k + across >= len(panels):
            axes.set_xticks(range(len(gallery)), gallery, rotation=90 if upright else 0)
            axes.set_xlabel("gallery view")
    _bar(figure.axes[-1], picture, "rank-1 (%)")
    return figure


def confusion_figure(confusion: pd.DataFrame, *, title: str = "Confusion") -> Figure:
    """Numbers of walks by class (rows) and by what they were taken for (columns), coloured by the share of their class."""
    k = len(confusion)
    cell = max(0.8, _widest(confusion.columns) + 0.15)
    bar = "of the class (%)"
    figure, (axes,) = _panels((cell * k, 0.7 * k), title, left=0.4 + _widest(confusion.index), bar=bar)
    counts = confusion.to_numpy(float)
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    _bare(axes)
    axes.set_xticks(range(k), confusion.columns)
    axes.set_yticks(range(k), confusion.index)
    axes.set(xlabel="taken for", ylabel="walks of")
    for (i, j), count in np.ndenumerate(counts):
        colour = "white" if share[i, j] > 55 else "black"
        axes.text(j, i, f"{count:.0f}\n{share[i, j]:.0f} %", ha="center", va="center", fontsize=8, color=colour)
    _bar(figure.axes[-1], picture, bar)
    return figure


def clip_sheet(clips: np.ndarray, titles: Sequence[str], *, frames: int = 10, title: str = "Input clips") -> Figure:
    """A row of `frames` evenly spaced frames for each clip of `[n, t, h, w]` or `[n, t, c, h, w]` (channel 0), uint8 or 0 to 1."""
    if len(clips) != len(titles):
        raise ValueError(f"{len(clips)} clips have {len(titles)} titles; give one a clip")
    pictures = np.asarray(clips)[:, :, 0] if np.ndim(clips) == 5 else np.asarray(clips)
    n, t, h, w = pictures.shape
    shown = np.unique(np.linspace(0, t - 1, min(frames, t)).round().astype(int))
    peak = 255.0 if pictures.dtype == np.uint8 else 1.0
    gap = 2
    sheet = np.full((n * (h + gap) - gap, len(shown) * (w + gap) - gap), 0.5)
    for i, j in np.ndindex(n, len(shown)):
        sheet[i * (h + gap) : i * (h + gap) + h, j * (w + gap) : j * (w + gap) + w] = pictures[i, shown[j]] / peak
    scale = max(0.011, 0.25 / (min(h, w) + gap))  # a frame's number fits below it
    size = (sheet.shape[1] * scale, sheet.shape[0] * scale)
    figure, (axes,) = _panels(size, title, left=0.2 + _widest(titles, 8), right=0.1, bottom=0.45)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    _bare(axes)
    axes.set_yticks([i * (h + gap) + h / 2 for i in range(n)], titles)
    axes.set_xticks([j * (w + gap) + w / 2 for j in range(len(shown))], [str(frame) for frame in shown])
    axes.tick_params(labelsize=8)
    axes.set_xlabel("frame")
    return figure


def look_figure(look: Look, *, title: str) -> Figure:
    """A labelled row of pictures above the other for each block, as many blocks side by side as leave the frames large enough."""
    n, columns = len(look.blocks), max(row.shape[1] for row in look.rows.values())
    h, w = next(iter(look.rows.values())).shape[2:]
    across = min(n, max(1, 16 // columns))
    gap, scale, signed = 2, 0.018, look.span[0] < 0
    high, wide = len(look.rows) * (h + gap) - gap, columns * (w + gap) - gap
    bar = " / ".join(look.rows) if signed else ""
    named = len(look.rows) > 1
    figure, panels = _panels(
        (wide * scale, high * scale),
        f"{title} ({look.about})" if look.about else title,
        look.blocks,
        across=across,
        left=0.2 + _widest(look.rows, 9) if named else 0.1,
        right=0.1,
        bottom=0.1,
        bar=bar,
    )
    colours = colormaps["RdBu_r" if signed else "gray"].with_extremes(bad="#8c8c8c")
    for i, axes in enumerate(panels):
        sheet = np.full((high, wide), np.nan)
        for j, row in enumerate(look.rows.values()):
            for k, frame in enumerate(row[i].cpu().numpy()):
                sheet[j * (h + gap) : j * (h + gap) + h, k * (w + gap) : k * (w + gap) + w] = frame
        low, peak = look.span
        picture = axes.imshow(sheet, cmap=colours, vmin=low, vmax=peak, interpolation="nearest", aspect="auto")
        _bare(axes)
        if i % across == 0 and named:
            axes.set_yticks([j * (h + gap) + h / 2 for j in range(len(look.rows))], list(look.rows))
            axes.tick_params(labelsize=9)
    if signed:
        _bar(figure.axes[-1], picture, bar)
    return figure


def _panels(
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

    legend: label -> colour, in lines below `title`. bar: the label of a colour bar that `_bar` will draw.
    """
    edge, (width, height), down = 0.1, size, -(-len(titles) // across)
    over = max(0.0, _widest(titles, 9) - width) / 2  # a title stands out on both sides
    step = (width + 2 * over + 0.2, height + 0.35)
    inner = (across * step[0] - 2 * over - 0.2, down * step[1] - 0.35)
    beyond = max(0.0, _width(bar) - inner[1]) / 2  # so does the label of a bar
    left, right, bottom = max(left, over + edge), max(right, over + edge), max(bottom, beyond + edge)
    keys = {label: 0.2 + _width(label, 9) for label in legend}
    total = max(left + inner[0] + right + 0.95 * bool(bar), 2 * edge + max([_width(title, 12, "bold"), *keys.values()]))
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


def _bar(axes: Axes, picture: AxesImage, label: str) -> None:
    """The colours of `picture` and what they mean."""
    low, high = picture.get_clim()
    axes.imshow(np.linspace(high, low, 256)[:, None], cmap=picture.cmap, vmin=low, vmax=high, aspect="auto", extent=(0, 1, low, high))
    axes.set(xticks=[], ylabel=label)
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.spines[:].set_visible(False)


def _bare(axes: Axes) -> None:
    """Nothing but the picture."""
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)


def _width(text: str, size: float = 10, weight: str = "normal") -> float:
    """Inches."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 70  # 72 points, and up to 3 % for hinting


def _widest(texts: Iterable[object], size: float = 10) -> float:
    return max(_width(str(text), size) for text in texts)


def _numbers(axes: Axes, values: np.ndarray, colours: np.ndarray) -> None:
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


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _colours(labels: Iterable[str]) -> dict[str, str]:
    """One for each label in turn; chance is grey."""
    named = [label for label in labels if label != "chance"]
    return {label: "#b0b0b0" if label == "chance" else COLOURS[named.index(label) % len(COLOURS)] for label in labels}


def _off_diagonal(matrix: pd.DataFrame) -> float:
    """Mean over probe views of the mean over the other gallery views, as the table has it."""
    other = matrix.index.to_numpy()[:, None] != matrix.columns.to_numpy()[None]
    return float(matrix.where(other).mean(axis=1).mean())
