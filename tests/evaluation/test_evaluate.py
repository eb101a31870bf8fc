import dataclasses
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import torch

from gaitlab.evaluation.averages import SAME_VIEW, weights
from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.protocol import Average, Where
from gaitlab.evaluation.protocols import (
    CASIA_B,
    CASIA_B_CROSS,
    CASIA_E,
    CCGR_MINI,
    CCPG,
    CCPG_IDENTICAL_VIEWS,
    CCPG_REID,
    FREEGAIT,
    GAIT3D,
    GREW,
    HID_2021,
    MOCAP,
    OUMVLP,
    OUMVLP_CROSS,
    REAL_SCENE_1000,
    SUSTECH1K,
    TTG_200,
    WALKERS,
    WALKERS_CC,
    WALKERS_WILD,
    protocol,
)
from gaitlab.evaluation.result import Result
from gaitlab.evaluation.retrieval import distances
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from tests.conftest import SHARED
from tests.evaluation.galleries import casia, casia_e, ccpg, clothes, index, noise, perfect, sessions, walkers, wild
from tests.parity import evaluation as parity


def sustech(subjects: int) -> pd.DataFrame:
    each = [("00", ()), ("01", ())] + [("02", (c,)) for c in ("bag", "clothing", "carrying", "umbrella", "uniform", "occlusion", "night")]
    return index(
        {"subject": f"{s:04d}", "session": session, "conditions": c, "view": v}
        for s in range(subjects)
        for session, c in each
        for v in ("000", "045", "090-far")
    )


def named(subjects: int) -> pd.DataFrame:
    """The gallery is named by the partition, as in CCGR-Mini."""
    return wild(subjects).assign(role=lambda walks: ["gallery" if role == "" else "" for role in walks["role"]])


CASES = [
    (CASIA_B, casia), (CASIA_B_CROSS, casia), (GAIT3D, wild), (SUSTECH1K, sustech), (WALKERS, walkers), (WALKERS_CC, clothes),
    (WALKERS_WILD, wild), (MOCAP, walkers), (OUMVLP, partial(sessions, names=("00", "01"))),
    (OUMVLP_CROSS, partial(sessions, names=("00", "01"))), (CASIA_E, casia_e), (FREEGAIT, wild), (CCGR_MINI, named),
    (GREW, partial(sessions, names=("01", "02"))), (HID_2021, partial(sessions, names="01")),
    (REAL_SCENE_1000, partial(sessions, names="123456")), (TTG_200, partial(sessions, names="123456")), (CCPG, ccpg),
    (CCPG_IDENTICAL_VIEWS, ccpg), (CCPG_REID, ccpg),
]  # fmt: skip
NAMES = [p.name for p, _ in CASES]


@pytest.mark.parametrize(("benchmark", "walks"), CASES, ids=NAMES)
def test_a_perfect_embedder_gets_all(benchmark: RetrievalProtocol, walks: Callable[[int], pd.DataFrame]) -> None:
    frame = walks(6)
    result = evaluate(perfect(frame), frame, benchmark)
    figures = result.table.drop(columns=["probes", "gallery", "rankings", "no_mate"])
    np.testing.assert_allclose(figures.to_numpy(float), 100)
    np.testing.assert_allclose(result.cmc, 100)
    assert result.rank1 == pytest.approx(100)
    assert (result.table["no_mate"] == 0).all()
    assert result.positives.max() < 0.01 < result.negatives.min()


@pytest.mark.parametrize(("benchmark", "walks"), CASES, ids=NAMES)
def test_a_random_embedder_gets_chance(benchmark: RetrievalProtocol, walks: Callable[[int], pd.DataFrame]) -> None:
    frame = walks(9)
    frame = frame.drop(index=frame.index[frame.index % 7 == 3])  # uneven numbers of mates, some subjects without
    expected = chance(frame, benchmark)
    tables = [evaluate(noise(frame, seed), frame, benchmark, samples=0).table for seed in range(16)]
    for row in expected.index:
        for column in (c for c in expected.columns if c.startswith("rank-")):
            seen = [table.loc[row, column] for table in tables]
            error = 5 * np.std(seen, ddof=1) / np.sqrt(len(seen)) + 0.1
            assert np.mean(seen) == pytest.approx(expected.loc[row, column], abs=error), (row, column)
    counts = ["probes", "gallery", "rankings", "no_mate"]
    pd.testing.assert_frame_equal(tables[0][counts], expected[counts])


def test_one_point_for_everybody_scores_nothing() -> None:
    frame = casia(5)
    assert evaluate(np.ones((len(frame), 2, 4), np.float32), frame, CASIA_B).rank1 == 0


@pytest.mark.parametrize("benchmark", [CASIA_B, CASIA_B_CROSS], ids=["casia-b", "casia-b-cross"])
@pytest.mark.parametrize("left_out", ["wrong", "left-out"])
def test_the_table_against_loops(benchmark: RetrievalProtocol, left_out: Literal["wrong", "left-out"]) -> None:
    """Every average by nested loops over views and probes, on a set with holes in it."""
    benchmark = dataclasses.replace(benchmark, probes_without_mate=left_out, ranks=(1, 3))
    frame = casia(9)
    frame = frame.sample(frac=0.6, random_state=3).reset_index(drop=True)
    x = noise(frame, 1) + 0.5 * perfect(frame)
    table = evaluate(x, frame, benchmark).table
    apart = distances(torch.from_numpy(x), torch.from_numpy(x), "euclidean").numpy()
    views = sorted(set(frame["view"]))
    gallery = np.flatnonzero(benchmark.gallery.mask(frame))
    for name, where in benchmark.probes.items():
        probes = np.flatnonzero(where.mask(frame))
        of_views = []
        for view in views:
            cells = []
            for other in views if benchmark.average == "view-pairs" else [None]:
                if other == view:
                    continue
                cell = []
                for i in probes[frame["view"].iloc[probes] == view]:
                    ranked = [j for j in gallery if other is None or frame["view"][j] == other]
                    if other is None:
                        ranked = [j for j in ranked if (frame["subject"][j], frame["view"][j]) != (frame["subject"][i], view)]
                    ranked.sort(key=lambda j: apart[i, j])
                    hits = [frame["subject"][j] == frame["subject"][i] for j in ranked]
                    if any(hits) or left_out == "wrong":
                        cell.append(any(hits[:3]))
                if cell:
                    cells.append(np.mean(cell))
            if cells:
                of_views.append(np.mean(cells))
        assert table.loc[name, "rank-3"] == pytest.approx(100 * np.mean(of_views)), name
    assert table.loc["mean", "rank-3"] == pytest.approx(table["rank-3"].iloc[:3].mean())


def test_probes_without_a_mate() -> None:
    """Four probes, one hit: two have no mate at all, which counts or does not."""
    walks = index([{"subject": s, "role": "probe"} for s in ("1", "2", "3", "")] + [{"subject": s} for s in ("1", "2", "", "4")])
    x = np.array([1.0, 5, 3, 7, 1.1, 2.2, 7, 9], np.float32)[:, None, None]
    wrong = evaluate(x, walks, dataclasses.replace(GAIT3D, probes_without_mate="wrong")).table.loc["probes"]
    left = evaluate(x, walks, GAIT3D).table.loc["probes"]
    assert wrong["rank-1"] == 25
    assert left["rank-1"] == 50
    assert (wrong["rankings"], left["rankings"]) == (4, 2)
    assert wrong["no_mate"] == left["no_mate"] == 2  # an unlabelled walk is nobody's mate, not even another such one's
    assert wrong["mAP"] == left["mAP"] == pytest.approx(100 * (1 + 1 / 2) / 2)
    assert wrong["mINP"] == left["mINP"]


def test_nobody_with_a_mate_is_an_error() -> None:
    walks = index([{"subject": "1", "role": "probe"}, {"subject": "2"}])
    with pytest.raises(ValueError, match="probe set probes: none of its 1 walks has a mate"):
        evaluate(noise(walks), walks, GAIT3D)
    same = walkers(3)[lambda w: w["view"] == "090"]
    with pytest.raises(ValueError, match=r"averaged over different views.* have only '090'"):
        evaluate(noise(same), same, WALKERS)


def test_same_view_is_told_apart_from_other_views() -> None:
    """An embedding that only knows the subject where the views agree: 100 in the one column, below chance in the other."""
    frame = walkers(8)
    subject, view = frame["subject"].factorize()[0], frame["view"].factorize()[0]
    x = np.random.default_rng(0).standard_normal((2, 8, 1, 6)).astype(np.float32)[view, subject]
    result = evaluate(x, frame, WALKERS)
    assert result.table.loc["Overall", SAME_VIEW] == 100
    assert result.rank1 < 40
    matrix = result.matrices["Normal"]
    assert list(matrix.index) == list(matrix.columns) == ["000", "090"]
    assert np.diag(matrix).tolist() == [100, 100]
    assert result.table.loc["Normal", "rank-1"] == pytest.approx((matrix.iloc[0, 1] + matrix.iloc[1, 0]) / 2)


def test_rankings_hold_every_probe() -> None:
    frame = casia(4)
    result = evaluate(noise(frame), frame, CASIA_B)
    rankings = result.rankings
    assert len(rankings) == result.table.loc["mean", "probes"] * 3
    assert set(rankings["group"]) == {"000", "090", "180"}
    across = rankings[frame["view"].to_numpy()[rankings["row"]] != rankings["group"]]
    assert 100 * (across["place"] == 0).mean() == pytest.approx(result.rank1)  # equal cells here, so a plain mean
    assert (rankings["ranked"] == 16).all()


def test_the_headline_row() -> None:
    frame = sustech(5)
    result = evaluate(noise(frame), frame, SUSTECH1K)
    assert (result.headline, "mean" in result.table.index) == ("Overall", False)
    assert result.rank1 == result.table.loc["Overall", "rank-1"]
    assert result.cmc[[0, 4]].tolist() == pytest.approx(result.table.loc["Overall", ["rank-1", "rank-5"]].tolist())
    assert np.all(np.diff(result.cmc) >= 0)


def test_other_splits_and_rows_are_not_looked_at() -> None:
    frame = casia(6)
    x = noise(frame)
    alone = evaluate(x, frame, CASIA_B)
    both = pd.concat([frame.assign(split="train"), frame], ignore_index=True)
    y = np.concatenate([np.full_like(x, np.nan), x])  # never embedded
    pd.testing.assert_frame_equal(evaluate(y, both, CASIA_B).table, alone.table)


def test_the_protocols_distance_wins() -> None:
    frame = wild(15)
    x = noise(frame) + perfect(frame)
    x *= np.random.default_rng(2).uniform(0.2, 5, (len(x), 1, 1)).astype(np.float32)  # lengths say nothing about who it is
    free = dataclasses.replace(GAIT3D, distance=None)
    cosine = evaluate(x, frame, free, distance="cosine").table
    assert not cosine.equals(evaluate(x, frame, free, distance="euclidean").table)
    fixed = dataclasses.replace(GAIT3D, distance="cosine")
    pd.testing.assert_frame_equal(evaluate(torch.from_numpy(x), frame, fixed).table, cosine)


def test_bad_embeddings() -> None:
    frame = wild(3)
    x = noise(frame)
    with pytest.raises(ValueError, match=r"\[walks, parts, channels\].* index's 9 walks; got \(8, 2, 8\)"):
        evaluate(x[:8], frame, GAIT3D)
    x[4, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1 embeddings are NaN or infinite: " + re.escape(frame["key"][4])):
        evaluate(x, frame, GAIT3D)
    x = noise(frame)
    x[2] *= 1e20
    with pytest.raises(ValueError, match="1 embeddings are so large that their squares overflow: the network has diverged: "):
        evaluate(x, frame, GAIT3D)


def test_an_index_of_ones_own_is_told_what_it_lacks() -> None:
    frame = wild(3)
    for wrong, says in (
        (
            frame.drop(columns=["split", "key"]),
            r"has no column key, split; a row of it is e.g. \{'key': '7/bag/1/090', 'subject'",
        ),
        (frame.assign(take=1), r"column take of the index holds 1; its values are e.g. '1'"),
        (frame.assign(view=np.nan), r"column view of the index holds nan; its values are e.g. '090'"),
        (frame.assign(conditions="bag"), r"column conditions of the index holds 'bag'; its values are e.g. \('bag',\)"),
    ):
        with pytest.raises(ValueError, match=says):
            evaluate(noise(frame), wrong, GAIT3D)
    listed = frame.assign(conditions=[[] for _ in range(len(frame))])
    assert evaluate(perfect(frame), listed, GAIT3D).rank1 == 100


def test_a_result_is_shown_as_its_table() -> None:
    frame = wild(3)
    result = evaluate(noise(frame), frame, GAIT3D)
    assert repr(result) == str(result) == result.text()
    assert len(str(result).splitlines()) < 6


@pytest.mark.parametrize("check", [lambda frame, p: p.check(frame), lambda frame, p: evaluate(noise(frame), frame, p)])
def test_what_cannot_be_scored_is_refused_by_the_index_alone(check: Callable[[pd.DataFrame, RetrievalProtocol], object]) -> None:
    for frame, asked, says in (
        (casia(4, views=["090"]), CASIA_B, "only '090'; ingest other views, too, or test by a protocol of your own with same_view='keep'"),
        (casia(1), CASIA_B, "000 is all people of the gallery, so whatever is sought is found; test on two people or more"),
        (
            wild(4).assign(subject=[str(i) for i in range(12)]),
            GAIT3D,
            "none of its 4 walks has a mate .same subject. in the gallery; test",
        ),
    ):
        with pytest.raises(ValueError, match=says):
            check(frame, asked)
    check(casia(2), CASIA_B)


def test_weights_sum_to_one_and_even_out_views() -> None:
    counted = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=bool)
    view = np.array([0, 0, 1, 2])
    averages: tuple[Average, ...] = ("probes", "views", "view-pairs")
    for average in averages:
        w = weights(counted, view, average)
        assert w.sum() == pytest.approx(1)
        assert (w[~counted] == 0).all()
    np.testing.assert_allclose(weights(counted, view, "probes")[counted], 1 / 6)
    np.testing.assert_allclose(weights(counted, view, "views").sum(1), [1 / 3, 1 / 6, 1 / 2, 0])
    np.testing.assert_allclose(weights(counted, view, "view-pairs")[:3, 0], [1 / 8, 1 / 8, 1 / 6])
    assert (weights(np.zeros((2, 1), dtype=bool), np.array([0, 1]), "views") == 0).all()


def test_what_is_printed_and_stored() -> None:
    frame = casia(4)
    result = evaluate(noise(frame), frame, dataclasses.replace(CASIA_B, ranks=(1, 5)))
    rows = json.loads(json.dumps(result.rows()))
    assert {"row": "CL", "metric": "probes", "value": 24} in rows
    assert {r["metric"] for r in rows} == {*result.table.columns}
    back = pd.DataFrame(rows).pivot(index="row", columns="metric", values="value")
    assert back.loc["NM", "mAP"] == result.table.loc["NM", "mAP"]
    lines = result.text().splitlines()
    assert lines[0].startswith("casia-b")
    assert len({len(line) for line in lines[1:]}) == 1
    assert f"{result.table.loc['BG', 'rank-5']:.2f}" in lines[3]


def test_chance_of_a_hand_made_gallery() -> None:
    """Two mates among four: a random order has one of them first half the time, and both outside the first two 1 in 6 times."""
    walks = index([{"subject": "1", "role": "probe"}, *({"subject": s} for s in "1123")])
    table = chance(walks, dataclasses.replace(GAIT3D, ranks=(1, 2, 3)))
    np.testing.assert_allclose(table.loc["probes", ["rank-1", "rank-2", "rank-3"]].to_numpy(float), [50, 100 * 5 / 6, 100])


@pytest.mark.skipif(not SHARED.exists(), reason="the goldens lie beside the checkout")
@pytest.mark.parametrize("name", parity.SUPPORTED)
def test_goldens(name: str) -> None:
    verdict = parity.golden(SHARED / "peer" / "goldens" / "open" / "eval" / f"{name}.json")
    assert verdict.passed, verdict.line


def test_a_result_is_a_plain_value() -> None:
    frame = wild(4)
    result = evaluate(noise(frame), frame, protocol("gait3d"), samples=10)
    assert isinstance(result, Result)
    assert result.matrices == {}
    assert len(result.cmc) == 50
    assert len(result.negatives) <= 20
    assert RetrievalProtocol(name="x", gallery=Where(), probes={"all": Where()}).headline_row() == "all"
