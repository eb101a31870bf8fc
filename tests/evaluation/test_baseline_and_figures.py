"""The gait energy image on a real little store, and the pictures of its result."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from gaitlab.data.store import Store
from gaitlab.evaluation.averages import SAME_VIEW
from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.figures import bars_figure, clip_sheet, cmc_figure, equal_error, open_set_figure, score_figure, views_figure
from gaitlab.evaluation.gei import gei
from gaitlab.evaluation.protocols import WALKERS
from gaitlab.evaluation.result import Result
from tests.evaluation.galleries import noise, perfect, walkers

THREE = replace(WALKERS, probes={name: WALKERS.probes[name] for name in ("Normal", "Bag", "Clothing")}, headline=None)
"""What the tiny store is sure to hold."""


@pytest.fixture(scope="module")
def result(tiny_store: Store) -> Result:
    return evaluate(gei(tiny_store, np.arange(len(tiny_store.index))), tiny_store.index, THREE)


def test_gei_is_the_mean_silhouette(tiny_store: Store) -> None:
    rows = np.array([5, 0, 41])
    x = gei(tiny_store, rows, width=44)
    frames = tiny_store.frames("silhouette")
    assert x.shape == (3, 1, 64 * 44)
    assert x.dtype == np.float32
    for i, row in enumerate(rows):
        slow = np.zeros((64, 44))
        walk = frames.walk(int(row))
        for frame in walk:
            slow += frame[0, :, 10:54] / 255
        np.testing.assert_allclose(x[i, 0].reshape(64, 44), slow / len(walk), atol=1e-6)
    with pytest.raises(ValueError, match="at most 64, not 65"):
        gei(tiny_store, rows, width=65)


def test_gei_knows_people_from_the_same_side(tiny_store: Store, result: Result) -> None:
    """Above chance with three people, or something is badly misaligned."""
    floor = chance(tiny_store.index, THREE)
    assert result.table.loc["Normal", SAME_VIEW] > floor.loc["Normal", SAME_VIEW] + 15
    assert floor.loc["Normal", "rank-1"] == pytest.approx(100 / 3)


def test_gei_on_the_validation_split(tiny_store: Store) -> None:
    rows = np.flatnonzero((tiny_store.index["split"] == "validation").to_numpy())
    held_out = evaluate(gei(tiny_store, rows), tiny_store.index.iloc[rows], replace(THREE, split="validation"))
    chosen = tiny_store.index.iloc[rows]
    asked = np.array([c in ((), ("bag",), ("clothing",)) for c in chosen["conditions"]])
    assert held_out.table.loc["mean", "probes"] == ((chosen["session"] == "2") & asked).sum()


def test_equal_error() -> None:
    rng = np.random.default_rng(0)
    near, far = rng.normal(0, 1, 40_000), rng.normal(2, 1, 40_000)
    threshold, rate = equal_error(near, far)
    assert threshold == pytest.approx(1, abs=0.03)
    assert rate == pytest.approx(0.1587, abs=0.005)  # Phi(-1)
    assert equal_error(np.array([0.0, 1]), np.array([2.0, 3]))[1] == 0


def test_pictures_can_be_saved(tiny_store: Store, result: Result, tmp_path: Path) -> None:
    frames = tiny_store.frames("silhouette")
    clips = np.stack([frames.walk(row)[:12] for row in range(3)])
    floor = chance(tiny_store.index, THREE)
    people = walkers(12)
    opened = evaluate(noise(people) + perfect(people), people, replace(WALKERS, enrolled=0.5))
    pictures = {
        "cmc": cmc_figure({"GEI": result.cmc, "half": result.cmc / 2}),
        "scores": score_figure(result.positives, result.negatives),
        "bars": bars_figure({"chance": floor["rank-1"], "GEI": result.table["rank-1"]}),
        "views": views_figure({"GEI": result.matrices["Normal"], "again": result.matrices["Clothing"]}),
        "open-set": open_set_figure({"GEI": opened.curves, "again": opened.curves}),
        "clips": clip_sheet(clips, list(tiny_store.index["key"][:3])),
    }
    for name, figure in pictures.items():
        figure.savefig(tmp_path / f"{name}.png")
        picture = imread(tmp_path / f"{name}.png")
        assert picture.shape[1] > 300
        assert picture[..., :3].std() > 0.05, name


def test_a_clip_sheet_shows_frames_evenly_and_as_they_are() -> None:
    clips = np.random.default_rng(0).random((2, 20, 1, 6, 5)).astype(np.float32)
    figure = clip_sheet(clips, ["a", "b"], frames=3)
    axes = figure.axes[0]
    sheet = np.asarray(axes.images[0].get_array())
    np.testing.assert_array_equal(sheet[8:14, 7:12], clips[1, 10, 0])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "10", "19"]
    bright = clip_sheet((clips * 255).astype(np.uint8), ["a", "b"], frames=3)
    assert np.abs(np.asarray(bright.axes[0].images[0].get_array()) - sheet).max() < 1 / 255 + 1e-6
    with pytest.raises(ValueError, match="2 clips have 1 titles"):
        clip_sheet(clips, ["a"])


LONG = ("chance", "GEI + LDA", "DeepGaitV2-P3D + CoD2 with a long name")


def bars(sets: int) -> Figure:
    names = [f"Carrying coat {i}" for i in range(sets)]
    return bars_figure({label: pd.Series(np.linspace(0, 100, sets), names) for label in LONG})


def views(n: int, panels: int) -> Figure:
    angles = [f"{18 * i:03d}" for i in range(n)]
    matrix = pd.DataFrame(np.full((n, n), 50.0), angles, angles)
    return views_figure({f"Carrying a coat {i}": matrix for i in range(panels)}, title=f"Rank-1 by view, {LONG[-1]}")


def texts(figure: Figure) -> Iterator[Text]:
    """All that are drawn in the margins."""
    yield from figure.texts
    for axes in figure.axes:
        yield axes.title
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            yield axis.label
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    yield from (tick.label1, tick.label2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: bars(1),
        lambda: bars(12),
        lambda: cmc_figure({label: np.linspace(10, 100, 50) for label in LONG}, title=f"Cumulative match, {LONG[-1]}, {LONG[-1]}"),
        lambda: views(2, 1),
        lambda: views(2, 4),
        lambda: views(11, 3),
        lambda: clip_sheet(np.zeros((2, 12, 8, 5), np.uint8), [LONG[-1], "a"]),
    ],
    ids=["bars 1", "bars 12", "cmc", "views 2x1", "views 2x4", "views 11x3", "clips"],
)
def test_no_text_is_cut_off_or_hides_another(draw: Callable[[], Figure]) -> None:
    figure = draw()
    FigureCanvasAgg(figure).draw()
    box = figure.get_tightbbox()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()
    drawn = [text for text in texts(figure) if text.get_visible() and text.get_text()]
    for a, b in combinations(drawn, 2):
        assert not a.get_window_extent().overlaps(b.get_window_extent()), (a, b)
