"""The rows that the difficulty of the walkers is read from, on a tiny set."""

from gaitlab.data.store import Store
from gaitlab.evaluation.protocols import PROTOCOLS
from pipelines.difficulty import cues, results, tables, text
from tests.conftest import TINY


def test_cues_and_classical_rows_stand_beside_chance(tiny_store: Store) -> None:
    found = tables(TINY, tiny_store, tiny_store, PROTOCOLS["walkers"])
    single = ["mean width", "speed", "cadence", "stride", "stature", "start position"]
    assert list(found) == ["chance", *single, "GEI", "GEI + LDA"]
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
