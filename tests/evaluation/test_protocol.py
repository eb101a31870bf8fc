import dataclasses
import re

import numpy as np
import pytest

from gaitlab.config import from_dict, to_dict
from gaitlab.evaluation.protocol import AnyProtocol, Where, select
from gaitlab.evaluation.protocols import CASIA_B, GAIT3D, PROTOCOLS, SUSTECH1K, protocol
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from tests.evaluation.galleries import casia, index, wild

WALKS = index(
    [
        {"subject": "1", "session": "00", "view": "000"},
        {"subject": "1", "session": "01", "view": "090"},
        {"subject": "1", "session": "03", "conditions": ("bag", "night")},
        {"subject": "1", "session": "02", "conditions": ("carrying",), "take": "2"},
    ]
)


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        (Where(), [0, 1, 2, 3]),
        (Where(conditions=()), [0, 1]),
        (Where(conditions=("night", "bag")), [2]),  # a set: the order says nothing
        (Where(conditions=("bag",)), []),
        (Where(contains="bag"), [2]),
        (Where(session=("00", "01"), view=("090",)), [1]),
        (Where(take=("2",)), [3]),
        (Where(role=("probe",)), []),
    ],
)
def test_where(where: Where, rows: list[int]) -> None:
    assert np.flatnonzero(where.mask(WALKS)).tolist() == rows


def test_a_walk_counts_for_several_conditions() -> None:
    sets = [(), ("bag",), ("clothing",), ("carrying",), ("umbrella",), ("uniform",), ("occlusion",), ("bag", "night")]
    walks = index([{"subject": "1", "session": "00"}, *({"subject": "1", "session": "01", "conditions": c} for c in sets)])
    chosen = select(walks, SUSTECH1K)
    held = {name: chosen.probes[member].tolist() for name, member in chosen.members.items()}
    assert chosen.gallery.tolist() == [0]
    assert held["Bag"] == [2, 8]
    assert held["Night"] == [8]
    assert held["Overall"] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_selection_of_casia_b() -> None:
    walks = casia(3)
    chosen = select(walks, CASIA_B)
    gallery = walks.iloc[chosen.gallery]
    assert set(gallery["take"]) == {"01", "02", "03", "04"}
    assert set(gallery["conditions"]) == {()}
    assert {name: int(member.sum()) for name, member in chosen.members.items()} == {"NM": 18, "BG": 18, "CL": 18}
    assert len(chosen.probes) == 54


def test_only_the_split_is_used() -> None:
    walks = casia(4)
    walks["split"] = ["train" if s in ("000", "001") else "test" for s in walks["subject"]]
    assert set(walks["subject"].iloc[select(walks, CASIA_B).gallery]) == {"002", "003"}
    walks["split"] = walks["split"].replace("test", "validation")
    with pytest.raises(ValueError, match=r"no walk of split 'test'; the index has .*'train'.*'validation'"):
        select(walks, CASIA_B)
    assert len(select(walks, dataclasses.replace(CASIA_B, split="validation")).gallery) == 24


def test_an_empty_set_says_what_there_is() -> None:
    walks = casia(2)
    walks = walks[[c != ("clothing",) for c in walks["conditions"]]]
    with pytest.raises(ValueError, match=re.escape("probe set CL (conditions clothing, take 01 | 02)")) as error:
        select(walks, CASIA_B)
    assert "conditions (plain) | bag; take 01 | 02 | 03 | 04 | 05 | 06" in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"the gallery .*session 00.* matches none of the 60 walks"):
        select(casia(2), SUSTECH1K)


def test_a_walk_may_not_be_probe_and_gallery() -> None:
    own = RetrievalProtocol(name="own", gallery=Where(), probes={"all": Where(role=("probe",))})
    with pytest.raises(ValueError, match="is in the gallery and in probe set all"):
        select(wild(2), own)


def test_protocols_by_name() -> None:
    assert protocol("gait3d") is GAIT3D
    assert protocol("walkers@validation") == dataclasses.replace(PROTOCOLS["walkers"], name="walkers@validation", split="validation")
    assert protocol("gait3d", "cosine") == dataclasses.replace(GAIT3D, distance="cosine", name="gait3d-cosine")
    assert protocol("gait3d", "euclidean") is GAIT3D
    assert protocol("hid@validation", "cosine").distance == "cosine"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="'scoliosis1k' compares no walks; leave distance 'cosine' out"):
        protocol("scoliosis1k", "cosine")
    with pytest.raises(ValueError, match="did you mean 'casia-b'"):
        protocol("casiab")
    with pytest.raises(ValueError, match=r"walkers@validation"):
        protocol("walkers@")
    with pytest.raises(ValueError, match="headline 'XX' is none of its probe sets NM, BG, CL"):
        dataclasses.replace(CASIA_B, headline="XX")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_survive_json(name: str) -> None:
    assert from_dict(to_dict(PROTOCOLS[name]), AnyProtocol) == PROTOCOLS[name]
    assert PROTOCOLS[name].name == name
