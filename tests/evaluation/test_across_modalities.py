"""A network, gait energy images and their discriminants on probes of one modality and a gallery of the other, from a real store."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.data.ingest import ingest
from gaitlab.data.shards import DataConfig
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.store import Store
from gaitlab.evaluation.classical import classical
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.gei import gei
from gaitlab.evaluation.protocol import Where, select
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol, seek
from gaitlab.experiment import Experiment
from gaitlab.method import MethodConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.benchmark import MethodEmbedder, check, report
from gaitlab.training.embed import embed
from gaitlab.training.run import LocalRun
from gaitlab.types import ClipSpec

CROSSED = RetrievalProtocol(
    name="crossed", gallery=Where(session=("1",)), probes={"all": Where(session=("2",))}, modality=("silhouette", "range")
)


@dataclass(frozen=True, kw_only=True)
class Twice(SourceConfig):
    """Boxes as wide as their person, seen by a camera and, on some days, by a LiDAR that sees them shaded; joints on the first day."""

    name: str = "twice"
    splits: tuple[str, ...] = ("train", "test")

    def walks(self) -> Sequence[Walk]:
        names = [f"{split}{n}" for split in self.splits for n in range(6)]
        return [Walk(subject=s, session=day, split=s.rstrip("0123456789"), take=t) for s in names for day in ("1", "2") for t in ("1", "2")]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(list(walk.key.encode()))
        half = 4 + 2 * int(walk.subject[-1])
        frames = np.zeros((5, 64, 64), np.uint8)
        frames[:, :, 32 - half : 32 + half] = 255
        frames[:, :30, 32 + half : 32 + half + rng.integers(0, 2)] = 255
        out = {"silhouette": frames, "range": (frames > 0) * rng.integers(50, 250, frames.shape, dtype=np.uint8)}
        if walk.split == "test":
            out["joints"] = np.zeros((5, 3, 17, 2), np.uint8)
        return out

    def checksum(self) -> str:
        return f"twice {self.splits}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return ingest(Twice(), tmp_path_factory.mktemp("shards") / "twice", progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LocalRun:
    return LocalRun(lambda: tmp_path_factory.mktemp("run"), device=torch.device("cpu"))


def experiment(**changes: Any) -> Experiment:
    method = SupervisedConfig(backbone=GaitSetConfig(channels=(4, 4, 8)), clip=ClipSpec(frames=4), embedding=8, neck="none")
    return Experiment(name="small", method=replace(method, **changes), data=DataConfig(root="twice"))


def test_each_side_is_embedded_from_its_own_modality(store: Store, run: LocalRun) -> None:
    tried = experiment()
    torch.manual_seed(0)
    method = tried.method.build(6)
    check(tried, store, CROSSED)
    network = MethodEmbedder(tried, method, run)
    result, chosen = seek(network, store, CROSSED), select(store.index, CROSSED)
    rows = np.union1d(chosen.probes, chosen.gallery)
    assert set(store.index["split"].iloc[rows]) == {"test"}
    index = store.index.iloc[rows]
    cameras = embed(method, store, rows, {"gait": ClipSpec(modality="silhouette")}, run)
    lidars = embed(method, store, rows, {"gait": ClipSpec(modality="range")}, run)
    there = evaluate(cameras, index, CROSSED, gallery=lidars)
    back = evaluate(lidars, index, CROSSED, gallery=cameras)
    assert result.rankings.equals(there.rankings)
    assert not there.rankings.equals(back.rankings)
    turned = replace(CROSSED, modality=("range", "silhouette"))
    assert seek(network, store, turned).rankings.equals(back.rankings)
    same = replace(CROSSED, modality=("range", "range"))
    assert seek(network, store, same).rankings.equals(evaluate(lidars, index, same).rankings)


def test_the_table_has_classical_rows(store: Store, run: LocalRun) -> None:
    tried = experiment()
    method = tried.method.build(6)
    summary = report(tried, method, store, CROSSED, run, NoTracker(), store)
    assert list(summary.rank1.index.get_level_values(1)) == ["chance", "GEI", "GEI + LDA", "small"]
    rank1 = summary.rank1["all"].to_numpy()
    assert rank1[0] == pytest.approx(100 / 6)
    assert rank1[1] == rank1[2] == 100  # occupancy of range views looks as silhouettes do
    opened = report(tried, method, store, replace(CROSSED, enrolled=0.5), run, NoTracker())
    assert list(opened.rank1.index.get_level_values(1)) == ["chance", "GEI", "GEI + LDA", "small"]


def test_discriminants_are_learnt_elsewhere_where_nobody_is_to_learn_from(store: Store, tmp_path: Path) -> None:
    tested = ingest(Twice(splits=("test",)), tmp_path / "tested", progress=False)
    assert [baseline.name for baseline in classical(tested, CROSSED)] == ["GEI"]
    assert [baseline.name for baseline in classical(tested, CROSSED, (tested,))] == ["GEI"]
    learnt = {baseline.name: seek(baseline, tested, CROSSED) for baseline in classical(tested, CROSSED, (store,))}
    assert list(learnt) == ["GEI", "GEI + LDA"]
    assert learnt["GEI + LDA"].rank1 == 100
    assert classical(tested, replace(CROSSED, modality=("skeleton", "silhouette")), (store,)) == []


def test_gei_of_range_views_is_their_occupancy(store: Store) -> None:
    rows = np.array([3, 9])
    np.testing.assert_allclose(gei(store, rows, modality="range"), gei(store, rows), atol=1e-6)
    with pytest.raises(ValueError, match="of silhouettes or of range views, not of 'skeleton'"):
        gei(store, rows, modality="skeleton")


def test_what_does_not_fit_is_said_before_anything_is_embedded(store: Store) -> None:
    maps = replace(CROSSED, modality=("silhouette", "skeleton"))
    with pytest.raises(
        ValueError, match=r"skeleton frames of twice are 2-channel, the network of small takes 1-channel ones; .*channels 2"
    ):
        check(experiment(), store, maps)
    check(experiment(), store, replace(CROSSED, modality=("range", "range")))
    with pytest.raises(ValueError, match="twice has no 'depth'; it has joints, range, silhouette"):
        check(experiment(), store, replace(CROSSED, modality=("depth", "range")))
    with pytest.raises(ValueError, match="silhouette frames of twice are 1-channel, the network of small takes 4-channel ones"):
        check(experiment(backbone=GaitSetConfig(in_channels=4)), store, CROSSED)
    of_train = replace(CROSSED, split="train", modality=("skeleton", "skeleton"))
    with pytest.raises(ValueError, match="24 test walks of twice have no skeleton frames"):
        check(experiment(backbone=GaitSetConfig(in_channels=2)), store, of_train)


def test_a_method_says_what_it_embeds() -> None:
    class Two(MethodConfig):
        def clips(self) -> dict[str, ClipSpec]:
            return {"camera": ClipSpec(), "lidar": ClipSpec(modality="range", frames=10)}

    assert Two().embeds() == (("camera",), ("lidar",)), "each by itself"
    assert set(Two().test_clips()) == {"camera"}, "the first, where nobody says"
    assert Two().test_clips("range") == {"lidar": ClipSpec(modality="range").whole()}
    with pytest.raises(ValueError, match="Two embeds silhouette and range only; a test asks it for skeleton"):
        Two().test_clips("skeleton")
    assert experiment().method.test_clips("range")["gait"].modality == "range"
