"""Pictures of a result: CMC curves, score distributions, rank-1 by condition, view matrices; and of input clips.

Pure functions that return a matplotlib `Figure`; `figure.savefig(path)` writes it. Nothing touches pyplot's global state.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gaitlab.evaluation.panels import COLOURS, bare, colour_bar, colours_of, numbers, panels, plain, widest


def cmc_figure(curves: Mapping[str, np.ndarray], *, title: str = "Cumulative match") -> Figure:
    """label -> percent at rank 1, 2, ..."""
    colours = colours_of(curves)
    legend = {f"{label}  ({curve[0]:.1f} %)": colours[label] for label, curve in curves.items()}
    figure, (axes,) = panels((5.6, 3.3), title, legend=legend)
    for curve, colour in zip(curves.values(), legend.values(), strict=True):
        axes.plot(np.arange(1, len(curve) + 1), curve, color=colour, linewidth=1.8)
    axes.set(xscale="log", xlabel="rank k", ylabel="probes with a mate among the first k (%)", ylim=(0, 101))
    longest = max(len(curve) for curve in curves.values())
    ticks = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= longest]
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    plain(axes)
    return figure


def score_figure(positives: np.ndarray, negatives: np.ndarray, *, title: str = "Distances between walks") -> Figure:
    """Densities of the distances between walks of the same and of different subjects, and where they err equally often."""
    legend = {"same person": COLOURS[1], "different people": COLOURS[0]}
    figure, (axes,) = panels((5.9, 2.5), title, left=0.4, legend=legend)
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
    plain(axes)
    return figure


def open_set_figure(curves: Mapping[str, Mapping[str, np.ndarray]], *, title: str = "Open set") -> Figure:
    """label -> FAR, DIR and TAR in percent (`result.curves`): identification and verification side by side."""
    names = {"DIR": "enrolled people found, rank 1 (%)", "TAR": "pairs of one person accepted (%)"}
    false = {"DIR": "strangers who raise an alarm (%)", "TAR": "pairs of different people accepted (%)"}
    figure, places = panels((3.7, 2.7), title, [f"{kind}: {name}" for kind, name in names.items()], across=2, legend=colours_of(curves))
    for axes, kind in zip(places, names, strict=True):
        for label, colour in colours_of(curves).items():
            axes.plot(curves[label]["FAR"], curves[label][kind], color=colour, linewidth=1.8)
        axes.set(xscale="log", xlabel=false[kind], ylim=(0, 101))
        axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
        axes.minorticks_off()
        plain(axes)
    places[1].tick_params(axis="y", labelleft=False)
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
    group = max(0.3 * (len(rank1) + 1), widest(sets) + 0.15)
    figure, (axes,) = panels((max(2.4, group * len(sets)), 2.8), title, legend=colours_of(rank1), bottom=0.3)
    width = 0.84 / len(rank1)
    for i, (label, colour) in enumerate(colours_of(rank1).items()):
        at = np.arange(len(sets)) + (i - (len(rank1) - 1) / 2) * width
        percent = rank1[label].reindex(sets).to_numpy(float)
        axes.bar(at, percent, width * 0.94, color=colour)
        for x, value in zip(at, percent, strict=True):
            if np.isfinite(value):
                axes.text(x, value + 1, f"{value:.0f}", ha="center", fontsize=8, color="#333333")
    axes.set_xticks(np.arange(len(sets)), sets)
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel="rank-1 (%)", xlim=(-0.55, len(sets) - 0.45), ylim=(0, 108), yticks=range(0, 101, 20))
    plain(axes)
    return figure


def views_figure(matrices: Mapping[str, pd.DataFrame], *, title: str = "Rank-1 by view") -> Figure:
    """label -> rank-1 percent by probe view (rows) and gallery view (columns), side by side on one colour scale, at most three in a row.

    All panels have the same views; those that a matrix lacks stay blank.
    """
    probe, gallery = (sorted({view for m in matrices.values() for view in m.axes[k]}) for k in (0, 1))
    cell = 0.42 if max(len(probe), len(gallery)) > 3 else 0.8
    across = min(3, len(matrices))
    upright = widest(gallery) > cell - 0.05
    figure, places = panels(
        (cell * len(gallery), cell * len(probe)),
        title,
        [f"{label} (others {_off_diagonal(matrix):.1f} %)" for label, matrix in matrices.items()],
        across=across,
        left=0.4 + widest(probe),
        bottom=0.35 + (widest(gallery) if upright else 0.15),
        bar="rank-1 (%)",
    )
    for k, (axes, matrix) in enumerate(zip(places, matrices.values(), strict=True)):
        values = matrix.reindex(index=probe, columns=gallery).to_numpy(float)
        picture = axes.imshow(values, cmap="viridis", vmin=0, vmax=100, aspect="auto")
        bare(axes)
        numbers(axes, values, np.where(values < 62, "white", "black"))
        if k % across == 0:
            axes.set_yticks(range(len(probe)), probe)
            axes.set_ylabel("probe view")
        if k + across >= len(places):
            axes.set_xticks(range(len(gallery)), gallery, rotation=90 if upright else 0)
            axes.set_xlabel("gallery view")
    colour_bar(figure.axes[-1], picture, "rank-1 (%)")
    return figure


def confusion_figure(confusion: pd.DataFrame, *, title: str = "Confusion") -> Figure:
    """Numbers of walks by class (rows) and by what they were taken for (columns), coloured by the share of their class."""
    k = len(confusion)
    cell = max(0.8, widest(confusion.columns) + 0.15)
    bar = "of the class (%)"
    figure, (axes,) = panels((cell * k, 0.7 * k), title, left=0.4 + widest(confusion.index), bar=bar)
    counts = confusion.to_numpy(float)
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    bare(axes)
    axes.set_xticks(range(k), confusion.columns)
    axes.set_yticks(range(k), confusion.index)
    axes.set(xlabel="taken for", ylabel="walks of")
    for (i, j), count in np.ndenumerate(counts):
        colour = "white" if share[i, j] > 55 else "black"
        axes.text(j, i, f"{count:.0f}\n{share[i, j]:.0f} %", ha="center", va="center", fontsize=8, color=colour)
    colour_bar(figure.axes[-1], picture, bar)
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
    figure, (axes,) = panels(size, title, left=0.2 + widest(titles, 8), right=0.1, bottom=0.45)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    bare(axes)
    axes.set_yticks([i * (h + gap) + h / 2 for i in range(n)], titles)
    axes.set_xticks([j * (w + gap) + w / 2 for j in range(len(shown))], [str(frame) for frame in shown])
    axes.tick_params(labelsize=8)
    axes.set_xlabel("frame")
    return figure


def _off_diagonal(matrix: pd.DataFrame) -> float:
    """Mean over probe views of the mean over the other gallery views, as the table has it."""
    other = matrix.index.to_numpy()[:, None] != matrix.columns.to_numpy()[None]
    return float(matrix.where(other).mean(axis=1).mean())
