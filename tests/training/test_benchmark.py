"""What a run makes of each kind of protocol, and of one that gaitlab does not know."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gaitlab.config import from_dict, override, to_dict
from gaitlab.data.store import Store
from gaitlab.evaluation import tested
from gaitlab.evaluation.classification import ALL, ClassificationProtocol
from gaitlab.evaluation.embedder import Embedder
from gaitlab.evaluation.protocol import AnyProtocol, Where, of_split
from gaitlab.evaluation.protocols import HID, protocol
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from gaitlab.experiment import Benchmark, Experiment
from gaitlab.method import Method
from gaitlab.runs.summary import Summary
from gaitlab.tracking.runs import NoTracker
from gaitlab.training import benchmark, ready
from gaitlab.training.benchmark import check, report, score
from gaitlab.training.embed import embed
from gaitlab.training.run import LocalRun
from gaitlab.types import Modality
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


@dataclass(frozen=True, kw_only=True)
class Spread(AnyProtocol):
    """A test of one's own: the share of the walks whose embedding is longer than the mean one."""

    view: str = "090"

    def sides(self, index: pd.DataFrame) -> list[tuple[Modality | None, np.ndarray]]:
        rows = of_split(index, self.split, self.name)
        return [(None, rows[(index["view"] == self.view).to_numpy()[rows]])]

    def test(self, embedder: Embedder, store: Store, *, learn_from: Sequence[Store] | None = None) -> tested.Tested:
        ((modality, rows),) = self.sides(store.index)
        length = np.linalg.norm(embedder.embed(store, rows, modality), axis=(1, 2))
        share = float(100 * (length > length.mean()).mean())
        return tested.Tested(
            headline=share,
            measure="long walks",
            metrics={f"{self.name}/long": share},
            text=f"{embedder.name}: {share:.1f} % of {len(rows)} walks are long{'' if learn_from is None else ', 0.0 % by chance'}",
            tables={self.name: pd.DataFrame({"walk": store.index["key"].iloc[rows], "length": length})},
            files={f"{self.name}/lengths.txt": lambda: tested.File("\n".join(map(str, length)), "lengths")},
        )


class Kept(NoTracker):
    """What a run hands over, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, Any] = {}

    def table(self, name: str, frame: pd.DataFrame) -> None:
        self.held[f"table {name}"] = frame

    def figure(self, name: str, draw: Any) -> None:
        self.held[f"figure {name}"] = draw()

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
    assert {"figure own-views", "figure own-cmc", "table own"} <= kept.held.keys()
    assert " test walks are in no set: conditions " in capsys.readouterr().out


def test_a_protocol_of_ones_own_is_tested_as_it_is(store: Store, tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked, method, run, kept = tiny
    own = Spread(name="spread")
    tried = replace(asked, benchmarks=(Benchmark(protocol=own),), validation=own)
    assert from_dict(to_dict(tried), Experiment) == tried
    assert ready.prepare(tried, 1).tests[0][1] is own
    check(asked, store, own)
    summary = report(asked, method, store, own, run, kept, store)
    walks = int(((store.index["split"] == "test") & (store.index["view"] == "090")).sum())
    path = tmp_path / "spread" / "lengths.txt"
    assert capsys.readouterr().out == (f"\nlengths: {path}\ntiny: {summary.headline:.1f} % of {walks} walks are long, 0.0 % by chance\n")
    assert 0 < summary.headline < 100
    assert kept.held.keys() == {"spread/long", "table spread", "text spread/lengths.txt"}
    assert kept.held["text spread/lengths.txt"] == path.read_text()
    assert len(path.read_text().splitlines()) == len(kept.held["table spread"]) == walks > 0
    assert summary.metrics == {"spread/long": summary.headline}
    assert Summary.of([summary]).text() == f"lengths: {path}\n\nlong walks {summary.headline:.1f}"
    assert score(asked, method, store, own, run) == summary.headline
    with pytest.raises(ValueError, match="'spread' compares no walks; leave distance 'cosine' out"):
        protocol(own, "cosine")


@pytest.mark.parametrize("asked_for", [OWN, CLASSES, FILE, Spread(name="spread")], ids=["retrieval", "classes", "file", "own"])
def test_other_ranks_and_scores_show_nothing(
    store: Store, tiny: Any, asked_for: AnyProtocol, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, method, run, kept = tiny
    first = report(asked, method, store, asked_for, run, NoTracker())
    capsys.readouterr()
    for name in ("retrieval_protocol.chance", "retrieval_protocol.classical", "classification.commonest", "submission.submit"):
        monkeypatch.setattr(f"gaitlab.evaluation.{name}", lambda *_, **__: pytest.fail("more than the headline was computed"))
    whole, second = (LocalRun(lambda: run.folder, device=run.device) for _ in range(2))
    monkeypatch.setattr(benchmark, "embed", lambda method, store, rows, clips, _: embed(method, store, rows, clips, whole))
    second.rank = 1
    there = report(asked, method, store, asked_for, second, kept)
    assert (there.measure, np.isnan(there.headline)) == (first.measure, np.isnan(first.headline))
    assert there.headline == first.headline or not asked_for.scored
    assert [len(shown) for shown in (there.rank1, there.classes, there.files, there.metrics, there.subjects, kept.held)] == [0] * 6
    if asked_for.scored:
        assert score(asked, method, store, asked_for, run) == first.headline
    assert capsys.readouterr().out == ""


def test_what_a_run_came_to() -> None:
    rank1 = pd.DataFrame({"A": [50.0]}, index=pd.MultiIndex.from_tuples([("own", "tiny")], names=["benchmark", "rank-1 (%)"]))
    ranked, file = Summary(rank1=rank1, headline=50.0), Summary(files=("submission for file: x.csv",))
    classes = Summary(classes=rank1.rename(columns={"A": "accuracy"}), headline=64.0, measure="accuracy")
    assert Summary.of([file, ranked, classes]).text().splitlines()[-1] == "rank-1 50.0"
    assert Summary.of([classes, file]).text().splitlines()[-1] == "accuracy 64.0"
    assert "x.csv" in Summary.of([classes, file]).text()
    assert Summary.of([file]).text() == "submission for file: x.csv"
    assert Summary.of([]).text() == "nothing was tested"


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
