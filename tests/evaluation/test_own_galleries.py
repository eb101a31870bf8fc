"""Protocols in which each probe set has a gallery of its own."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gaitlab.evaluation.averages import SAME_VIEW
from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.protocol import Where, select
from gaitlab.evaluation.protocols import CCPG, CCPG_IDENTICAL_VIEWS, CCPG_REID
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from tests.evaluation.galleries import ccpg, noise, perfect

ALL = [CCPG, CCPG_IDENTICAL_VIEWS, CCPG_REID]
NAMES = [p.name for p in ALL]


def holes(subjects: int) -> tuple[pd.DataFrame, np.ndarray]:
    frame = ccpg(subjects).sample(frac=0.8, random_state=1).reset_index(drop=True)
    return frame, noise(frame, 1) + 0.7 * perfect(frame)


@pytest.mark.parametrize("benchmark", ALL, ids=NAMES)
def test_each_set_is_what_it_is_alone(benchmark: RetrievalProtocol) -> None:
    frame, x = holes(8)
    result = evaluate(x, frame, benchmark)
    floor = chance(frame, benchmark)
    for name, alone in zip(benchmark.probes, benchmark.with_one_gallery(), strict=True):
        single = evaluate(x, frame, alone)
        assert list(single.table.index) == [name]
        pd.testing.assert_series_equal(result.table.loc[name], single.table.loc[name])
        pd.testing.assert_series_equal(floor.loc[name], chance(frame, alone).loc[name])
        own = result.rankings[result.rankings["set"] == name].drop(columns="set").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, single.rankings.drop(columns="set"))
        for probes, matrix in single.matrices.items():
            pd.testing.assert_frame_equal(result.matrices[probes], matrix)
    assert set(result.matrices) == (set(benchmark.probes) if benchmark.average == "view-pairs" else set())


@pytest.mark.parametrize("benchmark", ALL, ids=NAMES)
def test_the_mean_row(benchmark: RetrievalProtocol) -> None:
    frame, x = holes(8)
    result, chosen = evaluate(x, frame, benchmark), select(frame, benchmark)
    sets, mean = result.table.drop(index="mean"), result.table.loc["mean"]
    assert result.rank1 == pytest.approx(sets["rank-1"].mean())
    assert result.cmc[[0, 4]].tolist() == pytest.approx(mean[["rank-1", "rank-5"]].tolist())
    assert mean["mAP"] == pytest.approx(sets["mAP"].mean())
    assert mean["rankings"] == sets["rankings"].sum()
    assert mean["probes"] == len(chosen.probes) < sets["probes"].sum()  # those with a bag are in two sets
    assert mean["gallery"] == len(chosen.gallery)
    floor = chance(frame, benchmark)
    counts = ["probes", "gallery", "rankings", "no_mate"]
    pd.testing.assert_frame_equal(floor[counts], result.table[counts])


def test_the_variants_differ_as_they_say() -> None:
    """An embedding that knows people within a view only."""
    frame = ccpg(10)
    subject, view = frame["subject"].factorize()[0], frame["view"].factorize()[0]
    x = np.random.default_rng(0).standard_normal((view.max() + 1, subject.max() + 1, 1, 12)).astype(np.float32)[view, subject]
    pairs, identical, reid = (evaluate(x, frame, p) for p in ALL)
    assert pairs.rank1 < 40
    assert pairs.table.loc["mean", SAME_VIEW] == 100
    assert identical.rank1 == pytest.approx((2 * pairs.rank1 + 100) / 3)  # one of three gallery views
    assert reid.rank1 < 40
    assert (reid.table["rankings"] == reid.table["probes"])[:-1].all()


def test_who_is_sought_among_whom() -> None:
    frame = ccpg(2)
    chosen = {p.name: {n: (set(frame["session"].iloc[(c := select(frame, part)).gallery]), set(frame["session"].iloc[c.probes]))
                       for n, part in zip(p.probes, p.with_one_gallery(), strict=True)} for p in ALL}  # fmt: skip
    assert chosen["ccpg"] == chosen["ccpg-reid"] == chosen["ccpg-identical-views"]
    assert chosen["ccpg"] == {
        "CL": ({"U1_D1", "U2_D2", "U3_D3"}, {"U0_D0"}),
        "UP": ({"U0_D3"}, {"U3_D3"}),
        "DN": ({"U1_D1"}, {"U1_D0"}),
        "BG": ({"U0_D0"}, {"U0_D0"}),
    }
    both = select(frame, CCPG)
    assert {frame["conditions"][row] for row in both.probes[both.members["BG"]]} == {("bag",)}
    assert {frame["conditions"][row] for row in both.probes[both.members["CL"]]} == {(), ("bag",)}
    assert np.intersect1d(both.gallery, both.probes).size  # walks of U3_D3, and of U0_D0 without a bag


def test_a_headline_set_an_open_set_and_two_modalities() -> None:
    frame, x = holes(24)
    headline = evaluate(x, frame, dataclasses.replace(CCPG, headline="UP"))
    assert (headline.headline, "mean" in headline.table.index) == ("UP", False)
    assert headline.rank1 == headline.table.loc["UP", "rank-1"]
    assert headline.cmc[0] == pytest.approx(headline.rank1)

    opened = dataclasses.replace(CCPG_REID, enrolled=0.5)
    result = evaluate(x, frame, opened)
    for name, alone in zip(opened.probes, opened.with_one_gallery(), strict=True):
        pd.testing.assert_series_equal(result.table.loc[name], evaluate(x, frame, alone).table.loc[name])
    assert result.table.loc["mean", "impostors"] == select(frame, opened).impostor.sum()
    assert result.curves["DIR"][-1] == pytest.approx(result.rank1)
    assert list(chance(frame, opened).columns) == [c for c in result.table.columns if c not in ("mAP", "mINP")]

    crossed = dataclasses.replace(CCPG, modality=("silhouette", "range"))
    (first, probes), (second, gallery) = crossed.sides(frame)
    assert (first, second) == ("silhouette", "range")
    chosen = select(frame, crossed)
    np.testing.assert_array_equal(probes, chosen.probes)
    np.testing.assert_array_equal(gallery, chosen.gallery)
    other = noise(frame, 5)
    pd.testing.assert_frame_equal(
        evaluate(x, frame, crossed, gallery=other).table.loc[["UP"]],
        evaluate(x, frame, crossed.with_one_gallery()[1], gallery=other).table,
    )


@pytest.mark.parametrize("wrong", [{"CL": Where()}, {name: Where() for name in "ABCD"}])
def test_galleries_and_probe_sets_have_the_same_names(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"protocol ccpg: galleries of {', '.join(wrong)} for the probe sets CL, UP, DN, BG"):
        dataclasses.replace(CCPG, gallery=wrong)


def test_a_missing_gallery_says_what_there_is() -> None:
    frame = ccpg(2)
    frame = frame[frame["session"] != "U0_D3"]
    with pytest.raises(ValueError, match=r"protocol ccpg: the gallery \(session U0_D3\) matches none of the .* have session U0_D0 | U1_D0"):
        select(frame, CCPG)
    within = dataclasses.replace(CCPG, gallery=dict(CCPG.gallery) | {"UP": Where(session=("U3_D3",))})  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="is in the gallery and in probe set UP"):
        select(ccpg(2), within)
