"""Pictures of a sweep: rows and their gains with intervals, gains by probe set; a search's history, fields, importances and front.

Pure functions that return a matplotlib `Figure`, in the style of `evaluation.figures`.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gaitlab.evaluation.panels import COLOURS
from gaitlab.reports.ablation import AblationResult, AblationRow
from gaitlab.reports.ablation_tables import measure
from gaitlab.reports.search import SearchResult
from gaitlab.reports.search_tables import value_text
from gaitlab.reports.table import signed
from gaitlab.sweeps.sweep import Choice, Range, Uniform

MORE, LESS, UNCLEAR, QUIET = "#0072b2", "#d55e00", "#777777", "#333333"
"""Surely a gain, surely a loss, neither; baselines and axes."""
DIVERGING = LinearSegmentedColormap.from_list("gain", [LESS, "#ffffff", MORE])
SIGNS = ("D", "s", "^", "v", "P", "X")
"""Markers of published columns."""


def ablation_figures(result: AblationResult) -> dict[str, Figure]:
    """Name -> figure; those that have something to show."""
    figures = {"rows": rows_figure(result)}
    if any(row.gain for row in result.rows):
        figures["gains"] = gains_figure(result)
    if result.sets and any(row.set_gains for row in result.rows):
        figures["set-gains"] = set_gains_figure(result)
    return figures


def rows_figure(result: AblationResult) -> Figure:
    """Every row's mean with its 95 % interval, and its single seeds as dots."""
    figure, axes = _lines([row.row for row in result.rows], f"{measure(result)[0].upper()}{measure(result)[1:]} ({result.protocol})")
    for y, row in enumerate(result.rows):
        if row.mean is None:
            axes.text(0.5, y, "no finished run", transform=axes.get_yaxis_transform(), ha="center", va="center", color=UNCLEAR, fontsize=9)
            continue
        colour = _colour(row) if row.baseline else QUIET
        if not math.isnan(row.mean.low):
            axes.plot([row.mean.low, row.mean.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(row.values, np.full(len(row.runs), y + 0.22), "o", color=colour, alpha=0.45, markersize=4, markeredgewidth=0)
        axes.plot(row.mean.value, y, "o", color=colour, markersize=7.5, markeredgecolor="white", markeredgewidth=1)
        _beside(axes, y, f"{row.mean.value:.1f}", colour)
    axes.set_xlabel(f"{measure(result)} (%), its 95 % interval; small: single seeds")
    return figure


def gains_figure(result: AblationResult) -> Figure:
    """Gains over their baselines with 95 % intervals, against 0, and published gains as hollow markers."""
    rows = [row for row in result.rows if row.baseline]
    over = {row.baseline for row in rows}
    names = [row.row if len(over) == 1 else f"{row.row}\nover {row.baseline}" for row in rows]
    title = f"Gain over {next(iter(over))}" if len(over) == 1 else "Gains"
    figure, axes = _lines(names, title)
    axes.axvline(0, color=QUIET, linewidth=1)
    some = [column for column in result.columns if any(not math.isnan(row.published[column].gain) for row in rows)]
    for column, sign, colour in zip(some, SIGNS * len(some), _others(len(some)), strict=False):
        points = [(row.published[column].gain, y) for y, row in enumerate(rows) if not math.isnan(row.published[column].gain)]
        axes.plot(
            [x for x, _ in points],
            [y + 0.24 for _, y in points],
            sign,
            color="none",
            markeredgecolor=colour,
            markersize=5.5,
            label=f"{column}",
        )
    for y, row in enumerate(rows):
        if row.gain is None:
            continue
        colour = _colour(row)
        if not math.isnan(row.gain.low):
            axes.plot([row.gain.low, row.gain.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(row.gain.value, y, "o", color=colour, markersize=7.5, markeredgecolor="white", markeredgewidth=1)
        _beside(axes, y, signed(row.gain.value), colour)
    axes.set_xlabel(f"gain in {measure(result)} (points), its 95 % interval; grey: 0 is inside")
    if some:
        axes.legend(title="published", loc="upper left", bbox_to_anchor=(1.24, 1.02), frameon=False, fontsize=8, title_fontsize=8)
    return figure


def set_gains_figure(result: AblationResult) -> Figure:
    """Gains by probe set (columns), coloured by sign and size; they have no intervals."""
    rows = [row for row in result.rows if row.set_gains]
    values = np.array([[row.set_gains[name] for name in result.sets] for row in rows])
    most = max(1.0, float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0)
    figure = Figure(figsize=(2.6 + 0.72 * len(result.sets), 1.3 + 0.36 * len(rows)), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.imshow(values, cmap=DIVERGING, vmin=-most, vmax=most, aspect="auto")
    axes.set_xticks(range(len(result.sets)), result.sets, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), [row.row for row in rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("Gains by probe set (points; size, not certainty)", loc="left", fontweight="bold")
    for (i, j), value in np.ndenumerate(values):
        axes.text(j, i, f"{value:+.1f}".replace("-", "−"), ha="center", va="center", fontsize=8, color=_ink(value, most))
    return figure


def search_figures(result: SearchResult) -> dict[str, Figure]:
    """Name -> figure; those that have something to show."""
    figures = {"history": history_figure(result)}
    if len(result.trials) > 1:
        figures["fields"] = fields_figure(result)
    if any(result.importances.values()):
        figures["importances"] = importances_figure(result)
    if len(result.goals) > 1:
        figures["front"] = front_figure(result)
    return figures


def history_figure(result: SearchResult) -> Figure:
    """Every goal's value against the trial's number, and the best so far; hollow: the last score of a trial that was stopped early."""
    figure = Figure(figsize=(5.9, 0.6 + 2.4 * len(result.goals)), dpi=120, layout="constrained")
    figure.suptitle("History", x=0.01, ha="left", fontweight="bold")
    numbers = [trial.number for trial in result.trials]
    for i, (axes, goal) in enumerate(
        zip(figure.subplots(len(result.goals), 1, sharex=True, squeeze=False)[:, 0], result.goals, strict=True)
    ):
        values = [trial.values[i] for trial in result.trials]
        best = (np.maximum if goal.goal == "maximize" else np.minimum).accumulate(values)
        axes.plot(numbers, values, "o", color=MORE, alpha=0.6, markersize=5, markeredgewidth=0, label="trial")
        if i == 0 and (scored := {n: at[1] for n, at in result.stopped.items() if at}):
            axes.plot(
                list(scored), list(scored.values()), "o", color="none", markeredgecolor="#b0b0b0", markersize=5, label="stopped early"
            )
        axes.step(numbers, best, where="post", color=COLOURS[0], linewidth=1.8, label="best so far")
        axes.set(ylabel=goal.metric)
        _plain(axes, "y")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    figure.axes[0].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0, fontsize=8)
    return figure


def fields_figure(result: SearchResult) -> Figure:
    """Parallel coordinates: a line for each trial through its values, coloured by the first goal; the best one thick."""
    paths, ranked = list(result.space), result.ranked()
    figure = Figure(figsize=(max(5.9, 1.2 + 1.1 * (len(paths) + 1)), 4.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set_title("Fields of the trials, the best one thick", loc="left", fontweight="bold", pad=14)
    values = np.array([trial.values[0] for trial in ranked])
    low, high = float(values.min()), float(values.max()) if values.max() > values.min() else float(values.min()) + 1
    better = (values - low) / (high - low)
    if result.goals[0].goal == "minimize":
        better = 1 - better
    lines = [
        [(x, _place(result.space[path], trial.point[path])) for x, path in enumerate(paths) if path in trial.point] + [(len(paths), height)]
        for trial, height in zip(ranked, (values - low) / (high - low), strict=True)
    ]
    colours = colormaps["viridis"](0.92 * (1 - better))
    axes.add_collection(LineCollection(lines[:0:-1], colors=colours[:0:-1], linewidths=1.1, alpha=0.7))
    axes.add_collection(LineCollection(lines[:1], colors=colours[:1], linewidths=3))
    for x, path in enumerate(paths):
        _scale(axes, x, result.space[path])
    _marks(axes, len(paths), [(0.0, f"{low:.1f}"), (1.0, f"{high:.1f}")])
    axes.set_xticks(range(len(paths) + 1), [*(_folded(path) for path in paths), _folded(result.goals[0].metric)], fontsize=8)
    axes.set(xlim=(-0.25, len(paths) + 0.45), ylim=(-0.06, 1.06), yticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def importances_figure(result: SearchResult) -> Figure:
    """Shares of what the fields explain, a bar for each goal."""
    goals = [(metric, shares) for metric, shares in result.importances.items() if shares]
    paths = sorted(result.space, key=lambda path: -max(shares.get(path, 0.0) for _, shares in goals))
    figure, axes = _lines(paths, "What matters")
    height = 0.8 / len(goals)
    for i, (metric, shares) in enumerate(goals):
        at = np.arange(len(paths)) + (i - (len(goals) - 1) / 2) * height
        bars = axes.barh(at, [shares.get(path, 0.0) for path in paths], height * 0.92, color=(MORE, *COLOURS)[i % 7], label=metric)
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2, color=QUIET)
    axes.set_xlabel("share of what the fields explain (PED-ANOVA)")
    axes.set_xlim(left=0)
    axes.margins(x=0.12)
    if len(goals) > 1:
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(goals), fontsize=8, borderaxespad=0.1)
        axes.set_title("What matters", loc="left", fontweight="bold", pad=22)
    return figure


def front_figure(result: SearchResult) -> Figure:
    """The first two goals against each other; the trials that nothing dominates are joined and numbered."""
    figure = Figure(figsize=(5.9, 4.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set_title("Pareto front", loc="left", fontweight="bold")
    _plain(axes, "both")
    front = sorted((t for t in result.trials if t.number in result.front), key=lambda t: t.values[1])
    rest = [t for t in result.trials if t.number not in result.front]
    axes.plot([t.values[1] for t in rest], [t.values[0] for t in rest], "o", color="#b0b0b0", markersize=5, label="dominated")
    axes.plot([t.values[1] for t in front], [t.values[0] for t in front], "o-", color=MORE, markersize=7, linewidth=1.4, label="front")
    for trial in front:
        axes.annotate(str(trial.number), (trial.values[1], trial.values[0]), (4, 5), textcoords="offset points", fontsize=8, color=MORE)
    axes.set(ylabel=result.goals[0].metric, xlabel=result.goals[1].metric)
    axes.margins(0.08)
    axes.legend(frameon=False, loc="best", fontsize=8)
    return figure


def _lines(names: Sequence[str], title: str) -> tuple[Figure, Axes]:
    """A line for each name, the first one on top."""
    tall = 0.5 if any("\n" in name for name in names) else 0.4
    figure = Figure(figsize=(5.9, 1.25 + tall * len(names)), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold")
    _plain(axes, "x")
    axes.spines["left"].set_visible(False)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.45, -0.55)
    return figure, axes


def _plain(axes: Axes, grid: Literal["x", "y", "both"]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _beside(axes: Axes, y: float, text: str, colour: str) -> None:
    """The number at the right end of a line."""
    axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=10, fontweight="bold", color=colour)


def _colour(row: AblationRow) -> str:
    if row.gain is None or not row.gain.certain:
        return UNCLEAR
    return MORE if row.gain.value > 0 else LESS


def _others(n: int) -> list[str]:
    """Colours that say nothing about certainty."""
    return [("#000000", "#009e73", "#cc79a7", "#e69f00")[i % 4] for i in range(n)]


def _ink(value: float, most: float) -> str:
    return "white" if abs(value) > 0.65 * most else "black"


def _place(range_: Range, value: object) -> float:
    """0 to 1 along a field's axis."""
    if isinstance(range_, Choice):
        return range_.values.index(value) / max(1, len(range_.values) - 1)
    assert isinstance(value, (int, float))
    if isinstance(range_, Uniform) and range_.log:
        return math.log(value / range_.low) / math.log(range_.high / range_.low)
    return (value - range_.low) / ((range_.high - range_.low) or 1)


def _scale(axes: Axes, x: int, range_: Range) -> None:
    if isinstance(range_, Choice):
        _marks(axes, x, [(_place(range_, value), value_text(value)) for value in range_.values])
    else:
        _marks(axes, x, [(0.0, value_text(range_.low)), (1.0, value_text(range_.high))])


def _marks(axes: Axes, x: int, at: Sequence[tuple[float, str]]) -> None:
    axes.plot([x, x], [0, 1], color=QUIET, linewidth=0.8, zorder=0)
    for y, text in at:
        axes.plot([x - 0.02, x + 0.02], [y, y], color=QUIET, linewidth=0.8)
        axes.text(x + 0.04, y, text, fontsize=7.5, va="center", bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6})


def _folded(path: str) -> str:
    """A path on two or three lines."""
    return path.replace("/", "/\n").replace(".", ".\n")
