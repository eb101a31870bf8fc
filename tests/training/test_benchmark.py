"""What a run makes of each kind of protocol."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gaitlab.config import override
from gaitlab.data.store import Store
from gaitlab.evaluation.classification import ALL, ClassificationProtocol
from gaitlab.evaluation.protocol import RetrievalProtocol, Where
from gaitlab.evaluation.protocols import HID
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.runs.summary import Summary
from gaitlab.tracking.runs import NoTracker
from gaitlab.training import ready
from gaitlab.training.benchmark import check, report, score
from gaitlab.training.run import LocalRun
from tests.conftest import TINY
from tests.training.tiny import experiment

CLASSES = ClassificationProtocol(name="classes", classes=("bag", "clothing"), split="train")
FILE = replace(
    HID, name="file", gallery=Where(session=("1",), conditions=()), probes=Where(session=("2",), conditions=()), video="take", how="send it"
)
OWN = RetrievalProtocol(
    name="own",
    gallery={"A": Where(session=("1",), conditions=()), "B": Where(session=("2",), conditions=())},
    probes={"A": Where(session=("2",), conditions=("bag",)), "B": Where(session=("1",), conditions=("bag",))},
    average="view-pairs",
    same_view="drop",
)


class Kept(NoTracker):
    """What a run hands over, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, Any] = {}

    def table(self, name: str, frame: pd.DataFrame) -> None:
        self.held[f"table {name}"] = frame

    def figure(self, name: str, figure: Any) -> None:
        self.held[f"figure {name}"] = figure

    def text(self, name: str, text: str) -> None:
        self.held[f"text {name}"] = text

    def final(self, metrics: Any) -> None:
        self.held |= metrics


@pytest.fixture
def store(tiny_store: Store) -> Store:
    """The tiny walkers, each with a take of its own, which names its video."""
    opened = Store(tiny_store.root)
    opened.index["take"] = [f"v{i:03d}" for i in range(len(opened.index))]
    return opened


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Experiment, Method, LocalRun, Kept]:
    """A network of two logits a part that has learnt nothing."""
    torch.manual_seed(0)
    asked = override(experiment(TINY), {"method.embedding": 2})
    return asked, asked.method.build(4), LocalRun(lambda: tmp_path, device=torch.device("cpu")), Kept()


def test_classes_become_a_table_and_a_picture(store: Store, tiny: Any, capsys: pytest.CaptureFixture[str]) -> None:
    asked, method, run, kept = tiny
    check(asked, store, CLASSES)
    summary = report(asked, method, store, CLASSES, run, kept)
    printed = capsys.readouterr().out
    assert summary.classes.index.tolist() == [("classes", "commonest class"), ("classes", "tiny")]
    assert summary.headline == summary.classes.loc[("classes", "tiny"), "accuracy"] == kept.held["classes/accuracy"]
    assert summary.text().splitlines()[-1] == f"accuracy {summary.headline:.1f}"
    assert kept.held["table classes"].set_index("row").loc[ALL, "accuracy"] == summary.headline
    assert kept.held["table classes-confusion"].to_numpy()[:, 1:].sum() == kept.held["table classes"]["walks"].iloc[-1]
    assert "figure classes-confusion" in kept.held
    train = (store.index["split"] == "train").sum()
    used = sum(bool({"bag", "clothing"} & set(c)) for c in store.index["conditions"][store.index["split"] == "train"])
    assert f"{train - used} of {train} train walks are in no set: conditions " in printed
    assert score(asked, method, store, CLASSES, run) == summary.headline


def test_a_submission_becomes_a_file(store: Store, tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked, method, run, kept = tiny
    check(asked, store, FILE)
    summary = report(asked, method, store, FILE, run, kept)
    path = tmp_path / "submissions" / "file.csv"
    lines = path.read_text().splitlines()
    assert kept.held == {"text submissions/file.csv": path.read_text()}
    probes = store.index[(store.index["split"] == "test") & FILE.probes.mask(store.index)]
    assert [line.split(",")[0] for line in lines[1:]] == probes["take"].tolist()
    assert summary.files == (f"submission for file: {path} ({len(probes)} probes); send it",)
    assert summary.text() == summary.files[0]  # and no score
    assert summary.files[0] in capsys.readouterr().out
    assert np.isnan(summary.headline)
    with pytest.raises(ValueError, match="protocol file makes a file and no score"):
        score(asked, method, store, FILE, run)


def test_sets_with_galleries_of_their_own_go_through_a_run(store: Store, tiny: Any, capsys: pytest.CaptureFixture[str]) -> None:
    asked, method, run, kept = tiny
    check(asked, store, OWN)
    summary = report(asked, method, store, OWN, run, kept)
    assert summary.rank1.columns.tolist() == ["A", "B", "mean"]
    assert [label for _, label in summary.rank1.index] == ["chance", "GEI", "GEI + LDA", "tiny"]
    assert {"figure own-views-A", "figure own-views-B", "figure own-cmc", "table own"} <= kept.held.keys()
    assert " test walks are in no set: conditions " in capsys.readouterr().out


def test_what_a_run_came_to() -> None:
    rank1 = pd.DataFrame({"A": [50.0]}, index=pd.MultiIndex.from_tuples([("own", "tiny")], names=["benchmark", "rank-1 (%)"]))
    ranked, file = Summary(rank1=rank1, headline=50.0), Summary(files=("submission for file: x.csv",))
    classes = Summary(classes=rank1.rename(columns={"A": "accuracy"}), headline=64.0, measure="accuracy")
    assert Summary.of([file, ranked, classes]).text().splitlines()[-1] == "rank-1 50.0"
    assert Summary.of([classes, file]).text().splitlines()[-1] == "accuracy 64.0"
    assert "x.csv" in Summary.of([classes, file]).text()
    assert Summary.of([file]).text() == "submission for file: x.csv"
    assert Summary.of([]).text() == "rank-1 nan"


def test_a_file_cannot_pick_checkpoints(tiny_store: Store) -> None:
    asked = override(experiment(TINY), {"validation": "hid"})
    with pytest.raises(ValueError, match="protocol hid makes a file and no score; --validation takes one that scores"):
        ready.prepare(asked, 1)


def test_wrong_walks_are_told_before_training(tiny_store: Store, store: Store, tiny: Any) -> None:
    asked, _, _, _ = tiny
    with pytest.raises(ValueError, match="probes have the take"):
        check(asked, tiny_store, FILE)
    with pytest.raises(ValueError, match="class neutral"):
        check(asked, store, replace(CLASSES, classes=("bag", "neutral")))
    with pytest.raises(ValueError, match="the network gives 2 numbers a part"):
        score(asked, tiny[1], store, replace(CLASSES, classes=("bag", "clothing", "umbrella")), tiny[2])
