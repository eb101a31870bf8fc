"""Pictures of a result: CMC curves, score distributions, rank-1 by condition, view matrices; of input clips; of a method at work.

Pure functions that return a matplotlib `Figure`; `figure.savefig(path)` writes it. Nothing touches pyplot's global state.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gaitlab.types import Look

COLOURS = ("#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
"""Distinct for colour-blind readers too (Okabe & Ito)."""


def cmc_figure(curves: Mapping[str, np.ndarray], *, title: str = "Cumulative match") -> Figure:
    """label -> percent at rank 1, 2, ..."""
    figure, axes = _canvas(6.4, 4.2, title)
    for (label, curve), colour in zip(curves.items(), _colours(curves), strict=True):
        ranks = np.arange(1, len(curve) + 1)
        axes.plot(ranks, curve, color=colour, linewidth=1.8, label=f"{label}  ({curve[0]:.1f} %)")
    axes.set(xscale="log", xlabel="rank k", ylabel="probes with a mate among the first k (%)", ylim=(0, 101))
    longest = max(len(curve) for curve in curves.values())
    ticks = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= longest]
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False, loc="lower right")
    return figure


def score_figure(positives: np.ndarray, negatives: np.ndarray, *, title: str = "Distances between walks") -> Figure:
    """Densities of the distances between walks of the same and of different subjects, and where they err equally often."""
    figure, axes = _canvas(6.4, 3.6, title)
    both = np.concatenate([positives, negatives])
    edges = np.linspace(both.min(), np.nextafter(both.max(), np.inf), 81).tolist()
    for values, label, colour in ((positives, "same person", COLOURS[1]), (negatives, "different people", COLOURS[0])):
        axes.hist(values, edges, density=True, color=colour, alpha=0.45, label=label)
        axes.hist(values, edges, density=True, color=colour, histtype="step", linewidth=1.2)
    threshold, error = equal_error(positives, negatives)
    axes.axvline(threshold, color="#333333", linewidth=1, linestyle=":")
    axes.annotate(f"EER {100 * error:.1f} %", (threshold, 1), (5, -12), xycoords=("data", "axes fraction"), textcoords="offset points")
    axes.set(xlabel="distance", ylabel="density", yticks=[])
    axes.legend(frameon=False)
    return figure


def open_set_figure(curves: Mapping[str, Mapping[str, np.ndarray]], *, title: str = "Open set") -> Figure:
    """label -> FAR, DIR and TAR in percent (`result.curves`): identification and verification side by side."""
    figure = Figure(figsize=(8.4, 3.8), dpi=120, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    names = {"DIR": "enrolled people found, rank 1 (%)", "TAR": "pairs of one person accepted (%)"}
    false = {"DIR": "strangers who raise an alarm (%)", "TAR": "pairs of different people accepted (%)"}
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), names, strict=True):
        for (label, curve), colour in zip(curves.items(), _colours(curves), strict=True):
            axes.plot(curve["FAR"], curve[kind], color=colour, linewidth=1.8, label=label)
        axes.set(xscale="log", xlabel=false[kind], title=f"{kind}: {names[kind]}", ylim=(0, 101))
        axes.title.set_size(9)
        axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
        _plain(axes)
    figure.axes[0].legend(frameon=False, loc="upper left")
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
    figure, axes = _canvas(max(5.0, 1.1 + 0.42 * len(sets) * (len(rank1) + 1)), 3.8, title)
    width = 0.84 / len(rank1)
    for i, ((label, values), colour) in enumerate(zip(rank1.items(), _colours(rank1), strict=True)):
        at = np.arange(len(sets)) + (i - (len(rank1) - 1) / 2) * width
        bars = axes.bar(at, values.reindex(sets), width * 0.94, color=colour, label=label)
        axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=1.5, color="#333333")
    axes.set_xticks(np.arange(len(sets)), sets)
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel="rank-1 (%)", ylim=(0, 108), yticks=range(0, 101, 20))
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(rank1), borderaxespad=0.1)
    axes.set_title(title, loc="left", fontweight="bold", pad=24)
    return figure


def views_figure(matrices: Mapping[str, pd.DataFrame], *, title: str = "Rank-1 by view") -> Figure:
    """label -> rank-1 percent by probe view (rows) and gallery view (columns), side by side on one colour scale, at most three in a row."""
    sizes = [matrix.shape for matrix in matrices.values()]
    rows, columns = (max(size) for size in zip(*sizes, strict=True))
    cell = 0.42 if max(rows, columns) > 6 else 0.55
    across = min(3, len(matrices))
    down = -(-len(matrices) // across)
    size = (1.7 + across * (max(cell * columns, 1.7) + 0.5), down * (cell * rows + 0.9) + 0.6)
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(matrices) :]:
        axes.set_visible(False)
    for axes, (label, matrix) in zip(grid.flat, matrices.items(), strict=False):
        rows, columns = matrix.shape
        picture = axes.imshow(matrix.to_numpy(float), cmap="viridis", vmin=0, vmax=100)
        axes.set_xticks(range(columns), matrix.columns, rotation=60 if columns > 6 else 0)
        axes.set_yticks(range(rows), matrix.index)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(f"{label} (others {_off_diagonal(matrix):.1f} %)", fontsize=9)
        for (i, j), value in np.ndenumerate(matrix.to_numpy(float)):
            if np.isfinite(value):
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=7.5, color="white" if value < 62 else "black")
    for axes in grid[:, 0]:
        axes.set_ylabel("probe view")
    for axes in grid[-1]:
        axes.set_xlabel("gallery view")
    figure.colorbar(picture, ax=list(grid.flat), label="rank-1 (%)", shrink=0.9, pad=0.01)
    return figure


def confusion_figure(confusion: pd.DataFrame, *, title: str = "Confusion") -> Figure:
    """Numbers of walks by class (rows) and by what they were taken for (columns), coloured by the share of their class."""
    k = len(confusion)
    figure = Figure(figsize=(2.4 + 0.8 * k, 1.6 + 0.7 * k), dpi=120, layout="constrained")
    axes = figure.subplots()
    counts = confusion.to_numpy(float)
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(k), confusion.columns)
    axes.set_yticks(range(k), confusion.index)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set(xlabel="taken for", ylabel="walks of")
    for (i, j), count in np.ndenumerate(counts):
        colour = "white" if share[i, j] > 55 else "black"
        axes.text(j, i, f"{count:.0f}\n{share[i, j]:.0f} %", ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(picture, ax=axes, label="of the class (%)", shrink=0.9)
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
    scale, margin = 0.011, 0.4 + 0.075 * max(map(len, titles))
    figure = Figure(figsize=(sheet.shape[1] * scale + margin, sheet.shape[0] * scale + 0.8), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks([i * (h + gap) + h / 2 for i in range(n)], titles)
    axes.set_xticks([j * (w + gap) + w / 2 for j in range(len(shown))], [str(frame) for frame in shown])
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel("frame")
    return figure


def look_figure(look: Look, *, title: str) -> Figure:
    """A labelled row of pictures above the other for each block, as many blocks side by side as leave the frames large enough."""
    n, columns = len(look.blocks), max(row.shape[1] for row in look.rows.values())
    h, w = next(iter(look.rows.values())).shape[2:]
    across = min(n, max(1, 16 // columns))
    down = -(-n // across)
    gap, scale, signed = 2, 0.018, look.span[0] < 0
    size = (columns * (w + gap) * scale + 0.15, len(look.rows) * (h + gap) * scale + 0.3)
    figure = Figure(figsize=(across * size[0] + 1.2 + 0.8 * signed, down * size[1] + 0.5), dpi=120, layout="constrained")
    figure.suptitle(f"{title} ({look.about})" if look.about else title, x=0.01, ha="left", fontweight="bold")
    grid = figure.subplots(down, across, squeeze=False)
    colours = colormaps["RdBu_r" if signed else "gray"].with_extremes(bad="#8c8c8c")
    for i, axes in enumerate(grid.flat):
        axes.spines[:].set_visible(False)
        axes.set_xticks([])
        axes.set_yticks([])
        if i >= n:
            continue
        sheet = np.full((len(look.rows) * (h + gap) - gap, columns * (w + gap) - gap), np.nan)
        for j, row in enumerate(look.rows.values()):
            for k, frame in enumerate(row[i].cpu().numpy()):
                sheet[j * (h + gap) : j * (h + gap) + h, k * (w + gap) : k * (w + gap) + w] = frame
        picture = axes.imshow(sheet, cmap=colours, vmin=look.span[0], vmax=look.span[1], interpolation="nearest")
        axes.set_title(look.blocks[i], fontsize=9)
        if i % across == 0 and len(look.rows) > 1:
            axes.set_yticks([j * (h + gap) + h / 2 for j in range(len(look.rows))], list(look.rows))
            axes.tick_params(length=0, labelsize=9)
    if signed:
        figure.colorbar(picture, ax=grid, label=" / ".join(look.rows), shrink=0.9, pad=0.01)
    return figure


def _canvas(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold")
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _colours(labels: Mapping[str, object]) -> list[str]:
    """One for each label in turn; chance is grey."""
    named = [label for label in labels if label != "chance"]
    return ["#b0b0b0" if label == "chance" else COLOURS[named.index(label) % len(COLOURS)] for label in labels]


def _off_diagonal(matrix: pd.DataFrame) -> float:
    """Mean over probe views of the mean over the other gallery views, as the table has it."""
    other = matrix.index.to_numpy()[:, None] != matrix.columns.to_numpy()[None]
    return float(matrix.where(other).mean(axis=1).mean())
