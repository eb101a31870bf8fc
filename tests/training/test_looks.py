"""Pictures of a method at work: taken when asked for, and without a trace in the run."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from matplotlib.figure import Figure
from PIL import Image

from gaitlab.config import from_dict, override, to_dict
from gaitlab.data.store import Store
from gaitlab.evaluation.looks import curves_figure, look_figure
from gaitlab.experiment import Experiment
from gaitlab.methods.cod2 import CoD2Config
from gaitlab.methods.supervised import Supervised, SupervisedConfig
from gaitlab.rng import Rng
from gaitlab.runs import checkpoint
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.batches import make_feed, walks_to_look_at
from gaitlab.training.loop import train
from gaitlab.training.run import LocalRun
from gaitlab.types import AnyLook, Batch, Curves, Facts, Look
from tests.conftest import TINY
from tests.training.test_resume import assert_same
from tests.training.tiny import experiment


def cod2(look_every: int) -> Experiment:
    tiny = experiment(TINY, steps=5)
    assert isinstance(tiny.method, SupervisedConfig)
    method = CoD2Config(recogniser=replace(tiny.method, clip=replace(tiny.method.clip, order="ordered")), widths=(8, 16), patch=2)
    return override(replace(tiny, method=method), {"train.look_every": look_every, "train.log_every": 1})


class Sketchbook(NoTracker):
    def __init__(self) -> None:
        super().__init__()
        self.figures: list[str] = []
        self.tables: dict[str, pd.DataFrame] = {}
        self.films: dict[str, bytes] = {}

    def figure(self, name: str, draw: Callable[[], Figure]) -> None:
        draw()
        self.figures.append(name)

    def film(self, name: str, draw: Callable[[], bytes]) -> None:
        self.films[name] = draw()

    def table(self, name: str, frame: pd.DataFrame) -> None:
        self.tables[name] = frame


def trained(tiny: Experiment, store: Store, folder: Path) -> tuple[LocalRun, Sketchbook]:
    run, book = LocalRun(lambda: folder), Sketchbook()
    feed = make_feed(tiny, store, run)
    torch.manual_seed(0)
    method = train(tiny, tiny.method.build(len(feed.subjects)), feed, run, book, data_hash=store.hash)
    assert method.training
    return run, book


def test_looking_leaves_no_trace(tiny_store: Store, tmp_path: Path) -> None:
    """Weights, running statistics, optimisers and moving average, bit for bit."""
    blind, none = trained(cod2(0), tiny_store, tmp_path / "blind")
    watched, some = trained(cod2(2), tiny_store, tmp_path / "watched")
    assert none.figures == []
    assert some.figures == [f"{name}-{step:06d}" for step in (2, 4, 5) for name in ("strips", "amplification")]
    a, b = blind.load(), watched.load()
    assert a is not None
    assert b is not None
    assert_same({**a, "config": ""}, {**b, "config": ""})


def test_a_run_from_before_there_were_looks_goes_on(tiny_store: Store) -> None:
    old = to_dict(cod2(0))
    del old["train"]["look_every"]
    assert from_dict(old, Experiment).train.look_every == 500
    state = {"config": json.dumps(old), "data_hash": tiny_store.hash}
    checkpoint.check_same(state, cod2(7), tiny_store.hash, "the run's checkpoint")


def test_a_method_without_pictures_has_none(tiny_store: Store, tmp_path: Path) -> None:
    plain = override(experiment(TINY, steps=2), {"train.look_every": 1})
    assert trained(plain, tiny_store, tmp_path)[1].figures == []


def test_the_picture_of_a_look() -> None:
    strips = Look({"reference": torch.ones(5, 6, 8, 4), "target": torch.zeros(5, 9, 8, 4)}, tuple("abcde"), about="level 3")
    figure = look_figure(strips, title="Strips, step 2")
    assert figure.get_suptitle() == "Strips, step 2 (level 3)"
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == list("abcde")
    assert [label.get_text() for label in shown[0].get_yticklabels()] == ["reference", "target"]
    sheet = shown[0].images[0].get_array()
    assert sheet is not None
    assert sheet.shape == (18, 9 * 6 - 2)
    assert sheet[:8, :4].min() == 1
    assert sheet[10:, -4:].max() == 0
    assert sheet.mask[:8, -4:].all()  # six of nine frames

    maps = Look({"difference": torch.randn(3, 1, 8, 4)}, tuple("abc"), (-0.5, 0.5))
    picture = look_figure(maps, title="Maps").axes[0].images[0]
    assert picture.get_clim() == (-0.5, 0.5)
    assert min(picture.cmap(0.5)[:3]) > 0.95  # white at 0


class Showy(Supervised):
    """Shows a curve, a table and a film, and remembers which walks it was shown."""

    seen: list[tuple[int, ...]]

    def look(self, batch: Batch, rng: Rng) -> Mapping[str, AnyLook]:
        self.seen.append(tuple(batch.rows.tolist()))
        assert not torch.is_grad_enabled()
        walks = batch.clips["gait"][:2, :, 0]
        return {
            "error": Curves({"real": torch.arange(5.0), "made": torch.ones(5)}, torch.arange(5), ("noise level", "error"), "pixels"),
            "people": Facts({"person": ["a", "b"], "walks": [3, 4]}),
            "walks": Look({"clip": walks, "first frame": walks[:, :1]}, ("a", "b"), moving=True),
        }


def test_curves_tables_and_films_of_the_same_people_set_aside_every_time(tiny_store: Store, tmp_path: Path) -> None:
    tiny = override(experiment(TINY, steps=4), {"train.look_every": 2, "train.log_every": 1})
    assert isinstance(tiny.method, SupervisedConfig)
    run, book, network = LocalRun(lambda: tmp_path), Sketchbook(), Showy(tiny.method, 9)
    network.seen = []
    feed = make_feed(tiny, tiny_store, run)
    walks = walks_to_look_at(tiny, tiny_store, feed, run.device)
    train(tiny, network, feed, run, book, data_hash=tiny_store.hash, walks_to_look_at=walks)
    first, second = network.seen
    assert first == second
    assert set(tiny_store.index["split"].iloc[list(first)]) == {"validation"}
    assert book.figures == ["error-000002", "error-000004"]
    assert book.tables["people-000002"].to_dict("list") == {"person": ["a", "b"], "walks": [3, 4]}
    film = Image.open(io.BytesIO(book.films["walks-000004"]))
    assert (film.format, film.n_frames) == ("GIF", 4)  # type: ignore[attr-defined]


def test_the_picture_of_curves() -> None:
    figure = curves_figure(Curves({"a": torch.arange(3.0)}, torch.tensor([1, 10, 100]), ("level", "error"), "pixels"), title="Error")
    assert figure.get_suptitle() == "Error (pixels)"
    (line,) = figure.axes[0].lines
    assert line.get_xdata().tolist() == [1, 10, 100]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("level", "error")
