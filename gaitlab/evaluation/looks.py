"""Pictures of a method at work: what `gaitlab.types` calls looks, drawn."""

import io
from dataclasses import replace

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gaitlab.evaluation.panels import bare, colour_bar, colours_of, panels, plain, widest
from gaitlab.types import Curves, Look


def look_figure(look: Look, *, title: str) -> Figure:
    """A labelled row of pictures above the other for each block, as many blocks side by side as leave the frames large enough."""
    n, columns = len(look.blocks), max(row.shape[1] for row in look.rows.values())
    h = next(iter(look.rows.values())).shape[2]
    across = min(n, max(1, 16 // columns))
    scale, signed = 0.018, look.span[0] < 0
    high, wide = _sheet(look, 0).shape
    bar = " / ".join(look.rows) if signed else ""
    named = len(look.rows) > 1
    figure, places = panels(
        (wide * scale, high * scale),
        f"{title} ({look.about})" if look.about else title,
        look.blocks,
        across=across,
        left=0.2 + widest(look.rows, 9) if named else 0.1,
        right=0.1,
        bottom=0.1,
        bar=bar,
    )
    colours = colormaps["RdBu_r" if signed else "gray"].with_extremes(bad="#8c8c8c")
    for i, axes in enumerate(places):
        low, peak = look.span
        picture = axes.imshow(_sheet(look, i), cmap=colours, vmin=low, vmax=peak, interpolation="nearest", aspect="auto")
        bare(axes)
        if i % across == 0 and named:
            axes.set_yticks([j * (h + GAP) + h / 2 for j in range(len(look.rows))], list(look.rows))
            axes.tick_params(labelsize=9)
    if signed:
        colour_bar(figure.axes[-1], picture, bar)
    return figure


GAP = 2
"""Pixels between two frames."""


def _sheet(look: Look, block: int) -> np.ndarray:
    """Pixels of a block, one row above the other, NaN between and behind them."""
    columns = max(row.shape[1] for row in look.rows.values())
    h, w = next(iter(look.rows.values())).shape[2:]
    sheet = np.full((len(look.rows) * (h + GAP) - GAP, columns * (w + GAP) - GAP), np.nan)
    for j, row in enumerate(look.rows.values()):
        for k, frame in enumerate(row[block].cpu().numpy()):
            sheet[j * (h + GAP) : j * (h + GAP) + h, k * (w + GAP) : k * (w + GAP) + w] = frame
    return sheet


def look_film(look: Look, *, title: str, fps: float = 12.5) -> bytes:
    """A GIF of `look_figure` of one frame at a time; a row that is shorter stays at its last."""
    moments = max(row.shape[1] for row in look.rows.values())

    def at(moment: int) -> Look:
        rows = {label: row[:, [min(moment, row.shape[1] - 1)]] for label, row in look.rows.items()}
        return replace(look, rows=rows)

    figure = look_figure(at(0), title=title)
    canvas, pictures = FigureCanvasAgg(figure), [axes.images[0] for axes in figure.axes[: len(look.blocks)]]
    frames = []
    for moment in range(moments):
        now = at(moment)
        for block, picture in enumerate(pictures):
            picture.set_data(_sheet(now, block))
        canvas.draw()
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 / fps), loop=0)
    return out.getvalue()


def curves_figure(curves: Curves, *, title: str) -> Figure:
    """Lines over one axis, named at the side."""
    colours = colours_of(curves.lines)
    head = f"{title} ({curves.about})" if curves.about else title
    figure, (axes,) = panels((5.0, 3.0), head, legend=colours if len(curves.lines) > 1 else {})
    for label, line in curves.lines.items():
        axes.plot(curves.over.cpu().numpy(), line.cpu().numpy(), color=colours[label], label=label)
    axes.set(xlabel=curves.axes[0], ylabel=curves.axes[1])
    plain(axes)
    return figure
