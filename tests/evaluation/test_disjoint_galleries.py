"""Protocols that say of how many people a gallery is: more people are more tests, and their figures are means."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.open_set import COLUMNS
from gaitlab.evaluation.protocol import galleries, select
from gaitlab.evaluation.protocols import CASIA_B, PROTOCOLS, WALKERS_LAB, WALKERS_OPEN
from tests.evaluation.galleries import casia, noise, perfect, walkers

LAB = replace(CASIA_B, name="lab", people=5)


def test_figures_are_means_over_the_galleries() -> None:
    frame = casia(12).sample(frac=0.9, random_state=3).reset_index(drop=True)
    x = noise(frame, 1) + 0.5 * perfect(frame)
    result = evaluate(x, frame, LAB)
    alone = []
    for people in ([f"{i:03d}" for i in range(5)], [f"{i:03d}" for i in range(5, 10)]):
        own = frame["subject"].isin(people).to_numpy()
        alone.append(evaluate(x[own], frame[own], replace(LAB, people=None)))
    percent = ["rank-1", "mAP", "mINP", "rank-1 same view"]
    pd.testing.assert_frame_equal(result.table[percent], (alone[0].table[percent] + alone[1].table[percent]) / 2)
    assert result.rank1 == pytest.approx((alone[0].rank1 + alone[1].rank1) / 2)
    assert (result.table["probes"] == alone[0].table["probes"] + alone[1].table["probes"]).all()
    assert np.allclose(result.cmc, (alone[0].cmc + alone[1].cmc) / 2)
    assert result.matrices["BG"].loc["000", "090"] == pytest.approx(np.mean([r.matrices["BG"].loc["000", "090"] for r in alone]))
    assert sorted(result.subjects["subject"]) == [f"{i:03d}" for i in range(10)]
    assert result.subjects["share"].sum() == pytest.approx(1)
    assert 100 * result.subjects["hits"].sum() == pytest.approx(result.rank1)
    people_of = frame["subject"].iloc[result.rankings["row"]].to_numpy()
    assert set(people_of) == {f"{i:03d}" for i in range(10)}
    assert result.unused.startswith(f"{frame['subject'].isin(['010', '011']).sum()} of {len(frame)} test walks are in no set")
    floor = chance(frame, LAB)
    counts = ["probes", "gallery", "rankings", "no_mate"]
    pd.testing.assert_frame_equal(floor[counts], result.table[counts])
    assert floor.loc["mean", "rank-1"] == pytest.approx(
        np.mean(
            [
                chance(frame[frame["subject"].isin(p)], CASIA_B).loc["mean", "rank-1"]
                for p in ([f"{i:03d}" for i in range(5)], [f"{i:03d}" for i in range(5, 10)])
            ]
        )
    )


def test_fewer_people_are_one_gallery_and_a_split_has_its_own() -> None:
    frame = casia(7)
    assert len(select(frame, LAB).gallery) == 5 * 4 * 3
    assert len(select(frame, replace(LAB, people=9)).gallery) == 7 * 4 * 3
    frame["split"] = np.where(frame["subject"] < "005", "test", "validation")
    assert len(select(frame, replace(LAB, split="validation")).gallery) == 2 * 4 * 3
    with pytest.raises(ValueError, match="people is 2 or more"):
        replace(LAB, people=1)


def test_who_has_no_walk_that_is_used_counts_for_no_gallery() -> None:
    frame = casia(11)
    frame.loc[frame["subject"] == "002", "conditions"] = frame["conditions"].map(lambda _: ("umbrella",))[frame["subject"] == "002"]
    rows = np.sort(np.concatenate(galleries(frame, LAB)))
    assert set(frame["subject"].iloc[rows]) == {f"{i:03d}" for i in range(11)} - {"002"}
    used = frame.iloc[np.union1d(select(frame, LAB).gallery, select(frame, LAB).probes)]
    for again, before in zip(galleries(used, LAB), galleries(frame, LAB), strict=True):
        assert set(used["subject"].iloc[again]) == set(frame["subject"].iloc[before])


def test_an_open_set_in_galleries() -> None:
    frame = walkers(40)
    result = evaluate(noise(frame) + perfect(frame), frame, replace(WALKERS_OPEN, people=20))
    assert result.table["impostors"].min() > 0
    assert set(COLUMNS) <= set(result.table.columns)


def test_the_lab_is_casia_b_with_the_generators_words() -> None:
    assert PROTOCOLS["walkers-lab"] is WALKERS_LAB
    frame = casia(6)
    frame["take"] = frame["take"].str.lstrip("0")
    x = noise(frame) + 0.4 * perfect(frame)
    ours, theirs = evaluate(x, frame, WALKERS_LAB), evaluate(x, casia(6), CASIA_B)
    pd.testing.assert_frame_equal(ours.table, theirs.table)
