"""Enrolled people and impostors, against loops over every search and every pair."""

import dataclasses
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import torch

from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.open_set import FAR, below, thresholds
from gaitlab.evaluation.protocol import Where, enrolled, select
from gaitlab.evaluation.protocols import GAIT3D, WALKERS, WALKERS_OPEN
from gaitlab.evaluation.retrieval import distances
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from tests.evaluation.galleries import index, noise, perfect, walkers, wild

ONE_SET = dataclasses.replace(WALKERS_OPEN, probes={"Overall": WALKERS_OPEN.probes["Overall"]})
FIGURES = {"DIR at FAR 1": 0.01, "DIR at FAR 10": 0.1, "TAR at FAR 0.1": 0.001, "TAR at FAR 1": 0.01}


def test_who_is_enrolled_depends_on_the_name_alone() -> None:
    names = np.array([f"test{n:05d}" for n in range(1, 401)])
    for share in (0.2, 0.5, 0.8):
        assert enrolled(names, share).mean() == pytest.approx(share, abs=0.05)
    np.testing.assert_array_equal(enrolled(names[::-3], 0.5), enrolled(names, 0.5)[::-3])
    assert not (enrolled(names, 0.3) & ~enrolled(names, 0.5)).any()
    assert not enrolled(np.array([""]), 0.999).any()


def test_the_gallery_of_impostors_is_left_out() -> None:
    people = walkers(20)
    closed, chosen = select(people, WALKERS), select(people, WALKERS_OPEN)
    known = enrolled(people["subject"].to_numpy(), 0.5)
    np.testing.assert_array_equal(chosen.probes, closed.probes)
    np.testing.assert_array_equal(chosen.gallery, closed.gallery[known[closed.gallery]])
    np.testing.assert_array_equal(chosen.impostor, ~known[chosen.probes])
    assert not closed.impostor.any()


def test_a_perfect_and_a_blind_embedder() -> None:
    people = walkers(20)
    table = evaluate(perfect(people), people, WALKERS_OPEN).table
    np.testing.assert_allclose(table[["rank-1", *FIGURES]].to_numpy(float), 100)
    assert (table["impostors"] > 0).all()
    assert table.loc["Overall", "impostors"] + table.loc["Overall", "rankings"] == table.loc["Overall", "probes"]  # two views, one kept
    blind = evaluate(np.ones((len(people), 1, 3), np.float32), people, WALKERS_OPEN).table
    assert (blind[["rank-1", *FIGURES]].to_numpy(float) == 0).all()


def test_chance_is_what_noise_gets() -> None:
    """Where impostors are many enough that FAR 10 can be met from both sides."""
    people = walkers(60, takes=2)
    expected = chance(people, ONE_SET)
    tables = [evaluate(noise(people, seed), people, ONE_SET, samples=0).table for seed in range(8)]
    for column in ("rank-1", "DIR at FAR 10", "TAR at FAR 0.1", "TAR at FAR 1"):
        seen = [table.loc["Overall", column] for table in tables]
        error = 5 * np.std(seen, ddof=1) / np.sqrt(len(seen)) + 0.02 * expected.loc["Overall", column]
        assert np.mean(seen) == pytest.approx(expected.loc["Overall", column], abs=error), column
    assert list(expected.columns[-5:]) == ["probes", "gallery", "rankings", "no_mate", "impostors"]


def largest(scores: list[tuple[float, float]], far: float) -> float:
    """Of all numbers among scores (distance, weight), and infinity, the largest with at most `far` of the weight below it."""
    total = sum(weight for _, weight in scores)
    fits = [t for t, _ in [*scores, (np.inf, 0.0)] if sum(w for d, w in scores if d < t) <= far * total + 1e-12]
    return max(fits)


@pytest.mark.parametrize("average", ["view-pairs", "views", "probes"])
@pytest.mark.parametrize("left_out", ["wrong", "left-out"])
def test_the_figures_against_loops(average: Literal["view-pairs", "views", "probes"], left_out: Literal["wrong", "left-out"]) -> None:
    """On a set with holes in it: searches and pairs one by one, each view's mean before the mean of views."""
    protocol = dataclasses.replace(ONE_SET, average=average, probes_without_mate=left_out, distance="euclidean")
    frame = walkers(16, views=("000", "045", "090")).sample(frac=0.3, random_state=4).reset_index(drop=True)
    x = noise(frame, 1) + 0.9 * perfect(frame)
    table = evaluate(x, frame, protocol).table.loc["Overall"]
    apart = distances(torch.from_numpy(x), torch.from_numpy(x), "euclidean").numpy()
    known = enrolled(frame["subject"].to_numpy(), 0.5)
    views = sorted(set(frame["view"]))
    gallery = [j for j in np.flatnonzero(protocol.gallery.mask(frame)).tolist() if known[j]]
    probes = np.flatnonzero((frame["session"] == "2").to_numpy()).tolist()

    def ranked(i: int, group: str) -> list[int]:
        own = frame["subject"].to_numpy() == frame["subject"][i]
        walks = [j for j in gallery if group in ("", frame["view"][j])]
        return walks if group else [j for j in walks if not (own[j] and frame["view"][j] == frame["view"][i])]

    def mate(i: int, j: int) -> bool:
        return bool(frame["subject"][i] == frame["subject"][j])

    def weighted(searches: list[tuple[int, str]]) -> dict[tuple[int, str], float]:
        """Every (probe view, group) the same, then every probe view."""
        if average == "probes":
            return dict.fromkeys(searches, 1 / len(searches))
        out: dict[tuple[int, str], float] = {}
        for view in {frame["view"][i] for i, _ in searches}:
            mine = [s for s in searches if frame["view"][s[0]] == view]
            for group in {g for _, g in mine}:
                cell = [s for s in mine if s[1] == group]
                share = len({g for _, g in mine}) * len({frame["view"][i] for i, _ in searches})
                out |= dict.fromkeys(cell, 1 / len(cell) / share)
        return out

    groups = [v for v in views if any(frame["view"][j] == v for j in gallery)] if average == "view-pairs" else [""]
    searches = [(i, g) for i in probes for g in groups if frame["view"][i] != g]
    impostors = weighted([s for s in searches if not known[s[0]]])
    found = weighted([s for s in searches if known[s[0]] and (left_out == "wrong" or any(mate(s[0], j) for j in ranked(*s)))])
    strangers = weighted([s for s in searches if any(not mate(s[0], j) for j in ranked(*s))])
    same = weighted([s for s in searches if any(mate(s[0], j) for j in ranked(*s))])
    for column, far in FIGURES.items():
        total = 0.0
        for group in groups:
            if column.startswith("DIR"):
                alarms = [(min(apart[i, j] for j in ranked(i, g)), w) for (i, g), w in impostors.items() if g == group]
                limit = largest(alarms, far)
                for (i, g), w in found.items():
                    walks = [(apart[i, j], mate(i, j)) for j in ranked(i, g)] if g == group else []
                    total += w * any(hit and d == min(walks)[0] and d < limit for d, hit in walks)
            else:
                pairs = []
                for (i, g), w in strangers.items():
                    others = [j for j in ranked(i, g) if not mate(i, j)] if g == group else []
                    pairs += [(apart[i, j], w / len(others)) for j in others]
                limit = largest(pairs, far)
                for (i, g), w in same.items():
                    mates = [j for j in ranked(i, g) if mate(i, j)] if g == group else []
                    total += sum(w / len(mates) for j in mates if apart[i, j] < limit)
        assert table[column] == pytest.approx(100 * total, abs=1e-9), column
    assert 5 < table["DIR at FAR 10"] < 95
    assert 5 < table["TAR at FAR 1"] < 95


def test_curves_rise_to_rank_1_and_to_all() -> None:
    people = walkers(14)
    result = evaluate(noise(people) + 0.5 * perfect(people), people, WALKERS_OPEN)
    np.testing.assert_allclose(result.curves["FAR"], 100 * FAR)
    for kind in ("DIR", "TAR"):
        assert (np.diff(result.curves[kind]) >= -1e-9).all()
        assert result.curves[kind].shape == FAR.shape
    assert result.curves["DIR"][-1] == pytest.approx(result.rank1)
    assert result.curves["TAR"][-1] == pytest.approx(100)
    assert result.table.loc["Overall", "DIR at FAR 10"] == pytest.approx(result.curves["DIR"][40])
    mean = evaluate(noise(people), people, dataclasses.replace(WALKERS_OPEN, headline=None))
    assert mean.curves["TAR"][20] == pytest.approx(mean.table.loc["mean", "TAR at FAR 1"])
    assert {"DIR at FAR 1", "impostors"} <= {row["metric"] for row in mean.rows()}
    assert evaluate(noise(people), people, WALKERS).curves == {}


def test_thresholds_by_hand() -> None:
    distance = np.array([3.0, 1, 2, 2, 9])
    far = np.array([0.0, 0.19, 0.2, 0.59, 0.6, 0.8, 1.0])
    assert thresholds(distance, np.ones(5), far).tolist() == [1, 1, 2, 2, 3, 9, np.inf]
    assert thresholds(distance, np.array([1.0, 0, 0, 0, 1]), np.array([0.1, 0.5])).tolist() == [3, 9]
    assert below(distance, np.ones(5), np.array([1.0, 2.5, np.inf])).tolist() == [0, 3, 5]


def test_a_large_gallery_is_sampled() -> None:
    """Fewer pairs than there are: the threshold moves little."""
    people = walkers(40)
    x = noise(people) + 0.6 * perfect(people)
    exact = evaluate(x, people, ONE_SET).table.loc["Overall", "TAR at FAR 1"]
    import gaitlab.evaluation.open_set as module

    before, module.PAIRS = module.PAIRS, 4000
    try:
        assert evaluate(x, people, ONE_SET).table.loc["Overall", "TAR at FAR 1"] == pytest.approx(exact, abs=8)
    finally:
        module.PAIRS = before


def test_unlabelled_walks_are_nobody() -> None:
    """Neither enrolled nor an impostor: in the gallery not sought, as a probe as wrong (or left out) as in a closed set."""
    people = walkers(12)
    more = index({"subject": "", "session": day, "view": view} for day in ("1", "2") for view in ("000", "090"))
    both = pd.concat([people, more], ignore_index=True)
    x = noise(both)
    left_out = dataclasses.replace(ONE_SET, probes_without_mate="left-out")
    alone, table = evaluate(x[: len(people)], people, left_out).table, evaluate(x, both, left_out).table
    columns = ["rank-1", *FIGURES, "gallery", "impostors", "rankings"]
    pd.testing.assert_frame_equal(alone[columns], table[columns])


def test_an_open_set_needs_both_kinds() -> None:
    people = walkers(12)
    with pytest.raises(ValueError, match=r"of the 12 people of probe set Normal all are enrolled at enrolled=0.9999"):
        select(people, dataclasses.replace(WALKERS_OPEN, enrolled=0.9999))
    with pytest.raises(ValueError, match=r"none is enrolled at enrolled=0.0001.*give more people"):
        select(people, dataclasses.replace(WALKERS_OPEN, enrolled=0.0001))
    with pytest.raises(ValueError, match="enrolled is above 0 and below 1"):
        RetrievalProtocol(name="x", gallery=Where(), probes={"all": Where()}, enrolled=1.5)


def test_one_gallery_for_all_views() -> None:
    """A wild protocol opens as well."""
    people = wild(30)
    table = evaluate(perfect(people), people, dataclasses.replace(GAIT3D, enrolled=0.5)).table
    assert table.loc["probes", "DIR at FAR 1"] == pytest.approx(100)
    assert table.loc["probes", "rankings"] + table.loc["probes", "impostors"] == 30
