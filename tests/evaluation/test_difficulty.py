"""The rows that the difficulty of the walkers is read from, on a tiny set."""

from dataclasses import replace

import numpy as np
import pytest

from gaitlab.data.store import Store
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.protocol import Where
from gaitlab.evaluation.protocols import PROTOCOLS
from pipelines.difficulty import centred, cues, results, tables, text
from tests.conftest import TINY
from tests.evaluation.galleries import walkers


def test_cues_and_classical_rows_stand_beside_chance(tiny_store: Store) -> None:
    found = tables(TINY, tiny_store, tiny_store, PROTOCOLS["walkers"])
    single = ["mean width", "speed", "cadence", "stride", "stature", "start position"]
    assert list(found) == ["chance", *single, "generator's truth", "GEI", "GEI + LDA"]
    assert found["generator's truth"].loc["Overall", "rank-1"] > found["GEI + LDA"].loc["Overall", "rank-1"]
    rows = [row for label, table in found.items() for row in results(label, 0, "-", table)]
    assert {row.metric for row in rows} >= {"Overall, cross view, %", "Overall, same view, %", "Night, cross view, %"}
    assert all(0 <= row.value <= 100 for row in rows)
    assert "GEI + LDA" in text(rows)


def test_a_cue_is_the_same_from_every_view_and_differs_between_days(tiny_store: Store) -> None:
    index = tiny_store.index
    speed = cues(TINY, index)["speed"][:, 0, 0]
    take = index["key"].str.rpartition("/")[0]
    assert (speed[:, None] == speed)[take.to_numpy()[:, None] == take.to_numpy()].all()
    assert len(set(speed.tolist())) == take.nunique()


def test_a_cue_far_from_0_finds_what_it_would_find_near_0() -> None:
    """Half a millimetre in 1.7 m survives the single precision of sums of squares only there."""
    rng = np.random.default_rng(0)
    index = walkers(60)
    height = 1.7 + 0.0005 * rng.permutation(60)[index["subject"].factorize()[0]] + 0.00005 * rng.random(len(index))
    normal = replace(PROTOCOLS["walkers"], probes={"Normal": Where(session=("2",), conditions=())}, headline=None)
    assert evaluate(centred(height[:, None, None]), index, normal).rank1 == pytest.approx(100)
    assert evaluate(height[:, None, None].astype(np.float32), index, normal).rank1 < 90
