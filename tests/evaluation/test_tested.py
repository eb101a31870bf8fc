"""A protocol tests whatever embeds walks; what stands beside it and what is drawn comes only when it is asked for."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from gaitlab.data.store import Store
from gaitlab.evaluation.classical import EnergyImages
from gaitlab.evaluation.classification import ClassificationProtocol, classify
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.gei import gei
from gaitlab.evaluation.protocol import rows_of, select
from gaitlab.evaluation.protocols import WALKERS
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from gaitlab.evaluation.tested import File
from gaitlab.types import Modality

CLASSES = ClassificationProtocol(name="classes", classes=("bag", "clothing"), split="train")


@dataclass(frozen=True)
class Noise:
    """Two numbers a walk that say nothing of it, the same for a row whatever else is asked for."""

    name: str = "noise"
    distance: Distance = "cosine"

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def embed(self, store: Store, rows: np.ndarray, modality: Modality | None) -> np.ndarray:
        assert modality in (None, "silhouette")
        return np.stack([np.random.default_rng(int(row)).standard_normal((1, 2)) for row in rows]).astype(np.float32)


def test_the_embedder_alone_unless_baselines_are_asked_for(tiny_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = select(tiny_store.index, WALKERS)
    rows = np.union1d(chosen.gallery, chosen.probes)
    assert rows_of(WALKERS.sides(tiny_store.index)).tolist() == rows.tolist()
    expected = evaluate(Noise().embed(tiny_store, rows, None), tiny_store.index.iloc[rows], WALKERS, distance="cosine")
    beside = WALKERS.test(Noise(), tiny_store, learn_from=())
    for name in ("chance", "classical"):
        monkeypatch.setattr(f"gaitlab.evaluation.retrieval_protocol.{name}", lambda *_: pytest.fail("a baseline was computed"))
    alone = WALKERS.test(Noise(), tiny_store)
    assert alone.rank1.index.tolist() == [("walkers", "noise")]
    assert beside.rank1.index.tolist() == [("walkers", label) for label in ("chance", "GEI", "GEI + LDA", "noise")]
    assert alone.text.startswith("noise on ")
    for tested in (alone, beside):
        assert tested.headline == tested.metrics["walkers/rank1"] == expected.rank1
        assert tested.rank1.loc[("walkers", "noise")].equals(expected.table["rank-1"].rename(("walkers", "noise")))
        assert tested.tables["walkers"].set_index("row").equals(expected.table.rename_axis("row"))
        shares = tested.subjects["walkers"]
        assert 100 * sum(hits for _, hits in shares.values()) == pytest.approx(expected.rank1)
    assert beside.text.endswith(alone.text)


def test_a_baseline_is_an_embedder_like_any_other(tiny_store: Store) -> None:
    rows = rows_of(WALKERS.sides(tiny_store.index))
    expected = evaluate(gei(tiny_store, rows), tiny_store.index.iloc[rows], WALKERS)
    tested = WALKERS.test(EnergyImages(), tiny_store)
    assert tested.tables["walkers"].set_index("row").equals(expected.table.rename_axis("row"))
    beside = WALKERS.test(Noise(), tiny_store, learn_from=())
    assert beside.rank1.loc[("walkers", "GEI")].equals(tested.rank1.loc[("walkers", "GEI")])


def test_pictures_are_drawn_when_they_are_asked_for(tiny_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    begin = Figure.__init__
    monkeypatch.setattr(Figure, "__init__", lambda self, *a, **k: (drawn.append(self), begin(self, *a, **k))[1])
    tests = [p.test(Noise(), tiny_store, learn_from=()) for p in (WALKERS, replace(WALKERS, enrolled=0.4), CLASSES)]
    assert not drawn
    assert {"walkers-rank1", "walkers-cmc", "walkers-scores", "walkers-views"} <= tests[0].figures.keys()
    assert tests[1].figures.keys() - tests[0].figures.keys() == {"walkers-open-set"}
    assert tests[2].figures.keys() == {"classes-confusion"}
    figures = [tests[0].figures["walkers-cmc"](), tests[1].figures["walkers-open-set"](), tests[2].figures["classes-confusion"]()]
    assert figures == drawn


def test_classes_stand_beside_the_commonest(tiny_store: Store) -> None:
    ((_, rows),) = CLASSES.sides(tiny_store.index)
    expected = classify(Noise().embed(tiny_store, rows, None), tiny_store.index.iloc[rows], CLASSES)
    alone, beside = CLASSES.test(Noise(), tiny_store), CLASSES.test(Noise(), tiny_store, learn_from=())
    assert alone.headline == beside.headline == expected.accuracy
    assert alone.measure == "accuracy"
    assert alone.classes.index.tolist() == [("classes", "noise")]
    assert beside.classes.index.tolist() == [("classes", "commonest class"), ("classes", "noise")]


def test_distances_are_the_protocols_own_business() -> None:
    cosine = WALKERS.with_distance("cosine")
    assert isinstance(cosine, RetrievalProtocol)
    assert (cosine.name, cosine.distance) == ("walkers-cosine", "cosine")
    assert cosine.with_distance("cosine") is cosine
    with pytest.raises(ValueError, match="'classes' compares no walks; leave distance 'cosine' out"):
        CLASSES.with_distance("cosine")


def test_a_file_says_where_it_lies(tmp_path: Path) -> None:
    path = File("a,1\n", "submission for x", "(1 probes)").write(tmp_path / "new" / "x.csv")
    assert path.read_text() == "a,1\n"
    assert File("", "submission for x", "(1 probes)").line(path) == f"submission for x: {path} (1 probes)"
    assert File("", "weights").line(path) == f"weights: {path}"
