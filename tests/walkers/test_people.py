"""Who walks: measured spreads, bodies that obey bones and floor, paths, clothes and things."""

import numpy as np
import pytest

from gaitlab.walkers.body import capsules
from gaitlab.walkers.census import census, levels
from gaitlab.walkers.figure import Figure, average
from gaitlab.walkers.fit import fit
from gaitlab.walkers.garments import carry_pose, dressed
from gaitlab.walkers.occluders import occluder
from gaitlab.walkers.people import Event, event, table
from gaitlab.walkers.skeleton import BONES, MIRROR, bones_of, face_forward, joint
from tests.conftest import SHARED

RECORDED = SHARED / "data" / "cmu_walks.npz"


def somebody(*conditions: str, subject: str = "test00001", session: str = "1", take: str = "1", **how: str) -> Event:
    return event(0, subject, session, conditions, take, (30, 30), 25.0, **how)


def extent(moment: Event, part: str) -> np.ndarray:
    """Ends of the capsules of a part in the middle frame, `[k, 2, 3]`."""
    body = capsules(moment.joints, moment.figure)
    return body.ends[15, np.array(body.parts) == part]


def test_a_thousand_people_have_the_measured_means_and_spreads() -> None:
    found = census(1000)
    for part, allowed in (("mean", 0.03), ("people", 0.16), ("days", 0.2), ("walks", 0.25)):
        given = found[part, "given"].dropna()
        assert (np.abs(found[part, "sampled"][given.index] / given - 1) < allowed).all(), found[part]


def test_levels_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    x = 5 + 3 * rng.standard_normal((4000, 1, 1)) + 2 * rng.standard_normal((4000, 2, 1)) + rng.standard_normal((4000, 2, 2))
    assert levels(x) == pytest.approx((5, 3, 2, 1), rel=0.05)


def test_people_stand_on_the_floor_and_bend_their_knees_forwards() -> None:
    for i in range(40):
        joints = somebody(subject=f"validation{i:05d}").joints
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
    bones = np.linalg.norm(bones_of(somebody().joints), axis=-1)
    assert np.ptp(bones, axis=0).max() < 1e-3


@pytest.mark.skipif(not RECORDED.exists(), reason=f"{RECORDED} is not here")
def test_the_table_is_the_fit_of_the_recorded_walks() -> None:
    fitted, kept = fit(RECORDED), table()
    for name in ("mean", "bones"):
        assert np.abs(fitted[name] - kept[name]).max() < 1e-3
    for name in ("people", "clips"):  # components have no sign
        assert np.abs(np.square(fitted[name]).sum(0) - np.square(kept[name]).sum(0)).max() < 1e-3


def test_recorded_position_and_heading_are_removed() -> None:
    joints = somebody().joints
    c, s = np.cos(2.0), np.sin(2.0)
    turned = np.stack([joints[..., 0] * c - joints[..., 1] * s, joints[..., 0] * s + joints[..., 1] * c, joints[..., 2]], -1)
    assert np.abs(face_forward(turned + np.array([3.0, -1.0, 0.2])) - face_forward(joints)).max() < 1e-6


def test_the_truth_about_a_walk_is_what_its_joints_do() -> None:
    for take in "1234":
        moment = somebody(take=take)
        pelvis = moment.joints[:, 0, :2]
        steps = np.hypot(*np.diff(pelvis, axis=0).T)
        assert steps.sum() * 25 / 29 == pytest.approx(moment.speed, rel=0.02)
        assert moment.speed == pytest.approx(moment.cadence * moment.stride)
        assert tuple(pelvis[0]) == moment.start
        assert 1.4 < moment.stature < 2.0


def test_paths_differ_in_direction_bend_and_place() -> None:
    directions, bends, places = [], [], []
    for i in range(60):
        pelvis = somebody(subject=f"train{i:05d}").joints[:, 0, :2]
        first, last = (np.degrees(np.arctan2(*(pelvis[k + 5] - pelvis[k])[::-1])) for k in (0, 24))
        directions.append((first + last) / 2)
        bends.append(last - first)
        places.append(pelvis[15])
    assert 1.5 < np.std(directions) < 8
    assert 2 < np.std(bends) < 9
    assert 0.1 < np.std(places, axis=0)[0] < 0.25
    assert 0.05 < np.std(places, axis=0)[1] < 0.18


def test_coats_change_with_the_day_and_not_with_the_take() -> None:
    one, again, other = (somebody("clothing", session=day, take=take).figure.coat for day, take in (("1", "1"), ("1", "2"), ("2", "1")))
    assert one is not None
    assert one == again
    assert one != other
    naked = dressed(average(), (), np.random.default_rng(0))
    assert (naked.coat, naked.bag, naked.load, naked.umbrella) == (None, None, None, None)


def test_things_are_where_one_carries_them() -> None:
    seen = set()
    for i in range(30):
        name = f"train{i:05d}"
        umbrella = somebody("umbrella", subject=name)
        assert extent(umbrella, "umbrella")[..., 2].max() > umbrella.joints[15, joint("head_top"), 2]
        loaded = somebody("carrying", subject=name)
        held, hip = extent(loaded, "load").mean((0, 1)), loaded.joints[15, joint("pelvis")]
        seen.add(loaded.figure.load.kind)
        if loaded.figure.load.kind == "box":
            assert held[0] > hip[0] + 0.15  # before the belly: people walk along x
            assert held[2] > hip[2]
        else:
            assert held[2] < hip[2]
            assert (held[1] - hip[1] > 0) == (loaded.figure.load.kind == "l")
        bagged = somebody("bag", subject=name)
        if bagged.figure.bag.kind == "backpack":
            assert extent(bagged, "bag").mean((0, 1))[0] < bagged.joints[15, joint("chest"), 0] - 0.05
    assert seen == {"box", "l", "r"}


def test_hands_that_hold_do_not_swing_and_bones_keep_their_length() -> None:
    free, held = somebody(), somebody("carrying", "umbrella")
    for moment in (free, held):
        lengths = np.linalg.norm(bones_of(moment.joints), axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-3
    side = held.figure.umbrella.hand

    def swing(moment: Event) -> float:
        return float(np.std(moment.joints[:, joint(f"{side}_wrist"), 0] - moment.joints[:, joint(f"{side}_shoulder"), 0]))

    assert swing(held) < 0.5 * swing(free)
    assert carry_pose(free.joints, free.figure) is free.joints


def test_the_uniform_makes_girths_alike() -> None:
    thin, thick = (Figure(girth=np.full(12, g)) for g in (0.8, 1.2))
    joints = somebody().joints

    def trunk(figure: Figure) -> float:
        body = capsules(joints, figure)
        return float(body.radii[np.array(body.parts) == "trunk"].mean())

    plain = trunk(thick) - trunk(thin)
    dressed_alike = [dressed(figure, ("uniform",), np.random.default_rng(seed)) for seed, figure in enumerate((thin, thick))]
    assert trunk(dressed_alike[1]) - trunk(dressed_alike[0]) < 0.5 * plain


def test_own_clothes_stay_and_are_changed_one_by_one() -> None:
    def worn(*conditions: str, session: str = "1") -> Figure:
        return somebody(*conditions, session=session, wardrobe="own").figure

    own = worn()
    assert (own.coat, own.trousers) == (worn(session="2").coat, worn("bag", session="2").trousers)
    assert own.coat != worn("upper").coat
    assert own.trousers == worn("upper").trousers
    assert own.trousers != worn("lower").trousers
    assert own.coat == worn("lower").coat
    assert (worn("lower", "upper").coat, worn("lower", "upper").trousers) == (worn("upper").coat, worn("lower").trousers)
    assert own.coat != somebody(subject="test00002", wardrobe="own").figure.coat


def test_occluders_stand_between_and_never_on_the_walker() -> None:
    kinds = set()
    for seed in range(40):
        angle = np.radians(9.0 * seed)
        toward = np.array([np.cos(angle), np.sin(angle)])
        thing = occluder(np.random.default_rng(seed), toward, 7.0, 20, 25.0)
        assert thing.ends.shape[0] == 20
        before = thing.ends[..., :2] @ toward
        assert 1.1 < before.min() <= before.max() < 2.1
        kinds.add(thing.parts[0])
    assert kinds == {"post", "wall", "passer-by"}
    with pytest.raises(ValueError, match="leaves no room"):
        occluder(np.random.default_rng(0), np.array([1.0, 0.0]), 1.0, 5, 25.0)


def test_capsules_follow_the_joints() -> None:
    joints = somebody().joints
    body = capsules(joints, average())
    assert body.ends.shape == (30, len(body.parts), 2, 3)
    assert body.radii.shape == (len(body.parts), 2)
    moved = capsules(joints + np.array([0.0, 0.5, 0.0]), average())
    assert np.abs(moved.ends - body.ends - [0.0, 0.5, 0.0]).max() < 2e-4
