"""The embedded walkers: names decide pixels, people walk like people, identity is there and not trivial."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gaitlab.data.source import Walk
from gaitlab.data.sources.walkers import WalkersSource
from gaitlab.data.sources.walkers.body import average, capsules, with_clothes
from gaitlab.data.sources.walkers.fit import fit
from gaitlab.data.sources.walkers.people import CADENCE, STRIDE, event, table
from gaitlab.data.sources.walkers.skeleton import BONES, MIRROR, bones_of, face_forward, joint
from gaitlab.experiment import from_dict, to_dict
from tests.conftest import SHARED

RECORDED = SHARED / "data" / "cmu_walks.npz"
SMALL = WalkersSource(train_subjects=3, validation_subjects=2, test_subjects=4, views=(0, 90), frames=(20, 24))


def digest(source: WalkersSource, walk: Walk) -> str:
    return hashlib.sha256(source.load(walk)["silhouette"].tobytes()).hexdigest()


def gei(source: WalkersSource, walks: list[Walk]) -> np.ndarray:
    return np.stack([source.load(walk)["silhouette"].mean(0).ravel() / 255 for walk in walks])


def test_walks_are_listed_once_with_disjoint_splits() -> None:
    walks = SMALL.walks()
    assert len(walks) == 9 * 2 * 3 * 2 * 2
    assert len({walk.key for walk in walks}) == len(walks)
    subjects = {split: {w.subject for w in walks if w.split == split} for split in ("train", "validation", "test")}
    assert {split: len(names) for split, names in subjects.items()} == {"train": 3, "validation": 2, "test": 4}
    assert len(set.union(*subjects.values())) == 9
    assert {w.conditions for w in walks} == {(), ("bag",), ("clothing",)}


def test_frames_are_binary_and_as_many_as_asked() -> None:
    for walk in SMALL.walks()[::37]:
        clip = SMALL.load(walk)["silhouette"]
        assert clip.dtype == np.uint8
        assert clip.shape[1:] == (64, 64)
        assert 20 <= len(clip) <= 24
        assert set(np.unique(clip)) == {0, 255}


def test_a_walk_depends_on_its_name_alone() -> None:
    walks = SMALL.walks()
    few = [walks[i] for i in (0, 17, 101, 200)]
    here = [digest(SMALL, walk) for walk in few]
    event.cache_clear()
    grown = replace(SMALL, train_subjects=50, test_subjects=9, takes=3, views=(0, 45, 90))
    assert [digest(grown, walk) for walk in reversed(few)] == here[::-1]
    code = (
        "import hashlib; from gaitlab.data.sources.walkers import WalkersSource;"
        f"source = {SMALL!r}; walks = {{walk.key: walk for walk in source.walks()}};"
        f"keys = {[walk.key for walk in few]};"
        "print([hashlib.sha256(source.load(walks[key])['silhouette'].tobytes()).hexdigest() for key in keys])"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == str(here)


def test_source_survives_json_and_its_checksum_follows_its_fields() -> None:
    assert from_dict(json.loads(json.dumps(to_dict(SMALL)))) == SMALL
    assert SMALL.checksum() == replace(SMALL).checksum()
    assert len({SMALL.checksum(), replace(SMALL, seed=1).checksum(), replace(SMALL, views=(0,)).checksum()}) == 3


def test_all_cameras_see_one_walk() -> None:
    walks = [w for w in SMALL.walks() if w.subject == "test00001" and w.session == "1" and not w.conditions]
    lengths = {(w.take, w.view): len(SMALL.load(w)["silhouette"]) for w in walks}
    assert all(lengths[take, "000"] == lengths[take, "090"] for take in ("1", "2"))
    one, other = (event(0, "test00001", "1", (), take, (20, 24), 25.0) for take in ("1", "2"))
    assert one.joints.shape != other.joints.shape or (one.joints != other.joints).any()


def test_people_have_the_stated_pace() -> None:
    speeds = []
    for i in range(300):
        joints = event(0, f"train{i:05d}", "1", (), "1", (30, 30), 25.0).joints
        speeds.append(np.hypot(*(joints[-1, 0, :2] - joints[0, 0, :2])) / 29 * 25)
    cadence_sd, stride_sd = (np.hypot.reduce(quantity[1:]) / quantity[0] for quantity in (CADENCE, STRIDE))
    assert np.mean(speeds) == pytest.approx(CADENCE[0] * STRIDE[0], rel=0.03)
    assert np.std(speeds) / np.mean(speeds) == pytest.approx(np.hypot(cadence_sd, stride_sd), rel=0.25)


def test_people_stand_on_the_floor_and_bend_their_knees_forwards() -> None:
    for i in range(40):
        joints = event(0, f"validation{i:05d}", "1", (), "1", (30, 30), 25.0).joints
        assert joints[..., 2].min(1) == pytest.approx(np.full(30, 0.02), abs=1e-3)
        bones = bones_of(joints)
        for side in "lr":
            thigh, shank = (bones[:, BONES.index(f"{side}_{name}")] for name in ("knee", "ankle"))
            flexion = np.degrees(np.arctan2(thigh[:, 0], -thigh[:, 2]) - np.arctan2(shank[:, 0], -shank[:, 2]))
            assert np.percentile(flexion, 5) > -20
            assert 30 < flexion.max() < 100
        assert joints[:, joint("head_top"), 2].min() > joints[:, joint("pelvis"), 2].max()


def test_the_mean_walk_is_symmetric_and_lengths_are_kept() -> None:
    mean = table()["mean"]
    flipped = mean[:, MIRROR[1:] - 1] * np.array([1, -1, 1])
    even, odd = [0, 3, 4, 7, 8], [1, 2, 5, 6, 9, 10]  # half a stride later the odd harmonics change sign
    assert np.abs(mean[even] - flipped[even]).max() < 5e-3
    assert np.abs(mean[odd] + flipped[odd]).max() < 5e-3
    bones = np.linalg.norm(bones_of(event(0, "test00001", "1", (), "1", (30, 30), 25.0).joints), axis=-1)
    assert np.ptp(bones, axis=0).max() < 1e-3


@pytest.mark.skipif(not RECORDED.exists(), reason=f"{RECORDED} is not here")
def test_the_table_is_the_fit_of_the_recorded_walks() -> None:
    fitted, kept = fit(RECORDED), table()
    for name in ("mean", "bones"):
        assert np.abs(fitted[name] - kept[name]).max() < 1e-3
    for name in ("people", "clips"):  # components have no sign
        assert np.abs(np.square(fitted[name]).sum(0) - np.square(kept[name]).sum(0)).max() < 1e-3


def test_recorded_position_and_heading_are_removed() -> None:
    joints = event(0, "test00001", "1", (), "1", (30, 30), 25.0).joints
    c, s = np.cos(2.0), np.sin(2.0)
    turned = np.stack([joints[..., 0] * c - joints[..., 1] * s, joints[..., 0] * s + joints[..., 1] * c, joints[..., 2]], -1)
    assert np.abs(face_forward(turned + np.array([3.0, -1.0, 0.2])) - face_forward(joints)).max() < 1e-6


def test_coats_and_bags_show_and_change_with_the_day() -> None:
    clean = replace(SMALL, segmentation_noise=0.0, views=(90,), frames=(30, 30))
    area = {}
    for walk in clean.walks():
        area.setdefault(walk.conditions, []).append((clean.load(walk)["silhouette"] > 0).mean())
    assert np.mean(area["clothing",]) > 1.15 * np.mean(area[()])
    assert np.mean(area["bag",]) > 1.03 * np.mean(area[()])
    assert with_clothes(average(), (), np.random.default_rng(0)).coat is None
    one, two = (event(0, "test00001", day, ("clothing",), "1", (20, 24), 25.0).figure.coat for day in "12")
    again = event(0, "test00001", "1", ("clothing",), "2", (20, 24), 25.0).figure.coat
    assert one == again
    assert one != two


def test_capsules_follow_the_joints() -> None:
    joints = event(0, "test00001", "1", (), "1", (20, 20), 25.0).joints
    body = capsules(joints, average())
    assert body.ends.shape == (20, len(body.parts), 2, 3)
    assert body.radii.shape == (len(body.parts), 2)
    moved = capsules(joints + np.array([0.0, 0.5, 0.0]), average())
    assert np.abs(moved.ends - body.ends - [0.0, 0.5, 0.0]).max() < 2e-4


def test_identity_is_in_the_silhouettes_and_fades_with_day_coat_and_view() -> None:
    source = WalkersSource(train_subjects=0, validation_subjects=0, test_subjects=16, views=(36, 90), conditions=("normal", "clothing"))
    walks = list(source.walks())
    energy = gei(source, walks)
    subject, session, take, view = (np.array([getattr(w, name) for w in walks]) for name in ("subject", "session", "take", "view"))
    coat = np.array([w.conditions == ("clothing",) for w in walks])

    def rank1(probe: np.ndarray, gallery: np.ndarray) -> float:
        distance = np.square(energy[probe][:, None] - energy[gallery][None]).sum(-1)
        return float((subject[gallery][distance.argmin(1)] == subject[probe]).mean())

    side, oblique, first = view == "090", view == "036", (session == "1") & ~coat
    same_day = rank1(first & side & (take == "2"), first & side & (take == "1"))
    next_day = rank1((session == "2") & ~coat & side, first & side)
    across = rank1((session == "2") & ~coat & oblique, first & side)
    in_coat = rank1((session == "2") & coat & side, first & side)
    assert same_day > 0.8
    assert 0.3 < next_day < 0.98
    assert next_day > max(across, in_coat)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conditions": ("normal", "umbrela")}, "not 'umbrela'"),
        ({"train_subjects": 0, "validation_subjects": 0, "test_subjects": 0}, "no identities"),
        ({"test_subjects": -1}, "test_subjects is -1"),
        ({"frames": (30, 20)}, "fewest, most"),
        ({"views": ()}, "at least one"),
        ({"views": (0, 0)}, "only once"),
        ({"fps": 0.0}, "fps"),
    ],
)
def test_impossible_sources_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
