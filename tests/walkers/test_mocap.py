"""The mocap source on a recording made here, and on the real one where it lies beside the checkout."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gaitlab.data.source import Walk
from gaitlab.walkers import people as generated
from gaitlab.walkers.mocap.source import CONDITIONS, MocapSource, _resampled, event, read
from gaitlab.walkers.skeleton import JOINTS, PARENTS, bones_of
from tests.conftest import SHARED

RECORDED = SHARED / "data" / "cmu_walks.npz"


def recording(path: Path, turn: float = 0.0, stretch: float = 1.0, **changes: object) -> Path:
    """Three clips of two people, 70 frames at 30 Hz, walking in direction `turn` (radians); the second one is `stretch` times as tall."""
    of = (("a", "1"), ("a", "2"), ("a" if stretch != 1 else "b", "1"))
    clips = [generated.event(5, who, day, (), "1", (70, 70), 30.0).joints for who, day in of]
    joints = np.concatenate([*clips[:2], stretch * clips[2]])
    c, s = np.cos(turn), np.sin(turn)
    joints = np.stack([joints[..., 0] * c - joints[..., 1] * s, joints[..., 0] * s + joints[..., 1] * c, joints[..., 2]], -1)
    held = {
        "joints": joints.astype(np.float32) + np.float32(turn),
        "offsets": np.array([0, 70, 140, 210]),
        "subject": np.array(["07", "07", "08"]),
        "clip": np.array(["07_01", "07_02", "08_01"]),
        "joint_names": np.array(JOINTS),
        "parents": np.array(PARENTS),
        "fps": np.float32(30),
    } | changes
    np.savez(path, **{key: value for key, value in held.items() if value is not None})  # type: ignore[arg-type]
    return path


def _name(walk: Walk) -> tuple[str, str, tuple[str, ...], str]:
    return walk.subject, walk.session, walk.conditions, walk.take


def digest(source: MocapSource, walk: Walk) -> str:
    return hashlib.sha256(b"".join(frames.tobytes() for frames in source.load(walk).values())).hexdigest()


def test_clips_are_cut_into_takes_and_sessions(tmp_path: Path) -> None:
    source = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(0, 90))
    walks = source.walks()
    assert len({w.key for w in walks}) == len(walks) == 3 * 1 * 8 * 2  # 58 frames at 25 Hz are one window of 30 and a rest
    assert {w.subject for w in walks} == {"cmu07", "cmu08"}
    assert ({w.split for w in walks}, {w.role for w in walks}) == ({"test"}, {""})
    assert {w.conditions for w in walks} == {(), *((word,) for word in CONDITIONS[1:])}
    assert {(w.session, w.take) for w in walks} == {("1", "07_01-1"), ("2", "07_02-1"), ("1", "08_01-1")}
    halves = {(w.session, w.take) for w in replace(source, window=25).walks()}
    one, two = ({take for session, take in halves if session == word} for word in "12")
    assert one == {"07_01-1", "07_01-2", "08_01-1"}  # the first clip; of a lone clip, the first half
    assert two == {"07_02-1", "07_02-2", "08_01-2"}
    thirds = {(w.session, w.take) for w in replace(source, window=15).walks() if w.subject == "cmu08"}
    assert thirds == {("1", "08_01-1"), ("1", "08_01-2"), ("2", "08_01-3")}


def test_clips_can_be_chosen(tmp_path: Path) -> None:
    source = MocapSource(root=str(recording(tmp_path / "a.npz")), clips=("07_02", "08_*"))
    assert {(w.session, w.take) for w in source.walks()} == {("1", "07_02-1"), ("1", "08_01-1")}
    with pytest.raises(ValueError, match="no clip '9'; it has 07_01, 07_02, 08_01"):
        replace(source, clips=("9",)).walks()


def test_takes_cover_the_clip_without_overlap(tmp_path: Path) -> None:
    few = {"views": (90,), "conditions": ("normal",), "modalities": ("joints",), "segmentation_noise": 0.0}
    source = MocapSource(root=str(recording(tmp_path / "a.npz")), window=25, **few)  # type: ignore[arg-type]
    frames = [len(source.load(w)["joints"]) for w in source.walks() if w.take.startswith("07_01")]
    assert frames == [29, 29]
    slow = replace(source, fps=12.5, window=10)
    assert sum(len(slow.load(w)["joints"]) for w in slow.walks() if w.take.startswith("07_01")) == 29


def test_resampling_is_linear_between_frames() -> None:
    clip = np.random.default_rng(0).standard_normal((40, 27, 3))
    fast = _resampled(clip, 30.0, 25.0)
    assert len(fast) == 33  # 39 / 30 s hold 32.5 frames after the first
    for i, frame in enumerate(fast):
        at = i * 30 / 25
        before = min(int(at), 38)
        assert frame == pytest.approx(clip[before] + (at - before) * (clip[before + 1] - clip[before]))
    assert (_resampled(clip, 25.0, 25.0) == clip).all()


def test_heading_and_place_on_the_floor_leave_no_trace(tmp_path: Path) -> None:
    straight = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(90,), segmentation_noise=0.0)
    turned = replace(straight, root=str(recording(tmp_path / "b.npz", turn=2.2)))
    for walk in straight.walks():
        assert (straight.load(walk)["silhouette"] != turned.load(walk)["silhouette"]).mean() < 2e-3


def test_mean_body_leaves_motion_only(tmp_path: Path) -> None:
    tall = recording(tmp_path / "a.npz", stretch=1.2)
    own = MocapSource(root=str(tall), views=(90,), conditions=("normal",))
    length = {}
    for source in (own, replace(own, body="mean")):
        walks = {w.take: w for w in source.walks()}
        bones = [np.linalg.norm(bones_of(event(source, *_name(walks[take]))[0]), axis=-1).mean(0) for take in ("07_01-1", "08_01-1")]
        length[source.body] = bones[1] / bones[0]
    assert length["own"] == pytest.approx(np.full(26, 1.2), rel=0.1)
    assert length["mean"] == pytest.approx(np.ones(26), rel=0.1)
    assert own.checksum() != replace(own, body="mean").checksum()
    assert own.checksum() == replace(own).checksum()


def test_girths_are_the_days_or_the_persons(tmp_path: Path) -> None:
    mean = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(90,), conditions=("normal",))
    drawn = replace(mean, girths="drawn")
    thigh = {}
    for source in (mean, drawn):
        bodies = {w.take: event(source, *_name(w))[1] for w in source.walks()}
        thigh[source.girths] = {take: body.radii[body.parts.index("l_thigh")] for take, body in bodies.items()}
        assert (thigh[source.girths]["07_01-1"] != thigh[source.girths]["07_02-1"]).any()  # another day
    assert (thigh["mean"]["07_01-1"] != thigh["drawn"]["07_01-1"]).any()
    assert mean.checksum() != drawn.checksum()


def test_all_sensors_see_the_same_instants_of_every_condition(tmp_path: Path) -> None:
    source = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(60,))
    for walk in source.walks():
        if walk.subject != "cmu08":
            continue
        seen = source.load(walk)
        count = len(seen["joints"])
        assert {name: frames.shape for name, frames in seen.items()} == {
            "silhouette": (count, 64, 64),
            "range": (count, 64, 64),
            "joints": (count, 3, 17, 2),
        }
        assert {frames.dtype for frames in seen.values()} == {np.dtype(np.uint8)}
        assert set(np.unique(seen["silhouette"])) == {0, 255}
        alone = replace(source, modalities=("silhouette",)).load(walk)
        assert (alone["silhouette"] == seen["silhouette"]).all()


def test_conditions_change_the_body_or_the_scene(tmp_path: Path) -> None:
    source = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(90,), conditions=(*CONDITIONS, "night+bag"))
    walks = {w.conditions: w for w in source.walks() if w.subject == "cmu08"}
    assert ("bag", "night") in walks
    plain, body = event(source, *_name(walks[()]))
    for words, walk in walks.items():
        joints, dressed = event(source, *_name(walk))
        assert np.linalg.norm(bones_of(joints), axis=-1) == pytest.approx(np.linalg.norm(bones_of(plain), axis=-1), abs=5e-4)
        legs = [i for i, name in enumerate(JOINTS) if name[2:] in ("hip", "knee", "ankle", "ball", "toe")]
        assert (joints[:, legs] == plain[:, legs]).all()
        same = dressed.ends.shape == body.ends.shape and (dressed.radii == body.radii).all()
        assert same == (not {*words} - {"occlusion", "night"})
    area = {words: (source.load(walk)["silhouette"] > 0).sum((1, 2)).mean() for words, walk in walks.items()}
    assert area[("bag",)] > area[()]
    assert len({digest(source, walk) for walk in walks.values()}) == len(walks)


def test_a_walk_depends_on_its_name_alone(tmp_path: Path) -> None:
    source = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(0, 90), modalities=("silhouette", "joints"))
    walks = source.walks()[::7]
    here = [digest(source, walk) for walk in walks]
    event.cache_clear()
    fewer = replace(source, views=(90, 0), conditions=CONDITIONS[::-1])
    assert [digest(fewer, walk) for walk in reversed(walks)] == here[::-1]


def test_bad_recordings_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no recording at"):
        MocapSource(root=str(tmp_path / "none.npz")).walks()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(recording(tmp_path / "a.npz").read_bytes()[:5000])
    with pytest.raises(ValueError, match="no readable npz"):
        read(str(cut))
    with pytest.raises(ValueError, match="lacks offsets"):
        read(str(recording(tmp_path / "b.npz", offsets=None)))
    names = np.array(["pelvis" if name == "l_knee" else name for name in JOINTS])
    with pytest.raises(ValueError, match="lacks the joints l_knee"):
        read(str(recording(tmp_path / "c.npz", joint_names=names)))
    with pytest.raises(ValueError, match="no readable npz"):
        read(str(np.save(tmp_path / "d.npy", np.zeros(3)) or tmp_path / "d.npy"))
    with pytest.raises(ValueError, match=r"holds joints of shape \(9, 27, 3\), not \[210, 27, 3\]"):
        read(str(recording(tmp_path / "d.npz", joints=np.ones((9, 27, 3)))))
    with pytest.raises(ValueError, match="frame rate 0"):
        read(str(recording(tmp_path / "e.npz", fps=np.float32(0))))
    with pytest.raises(ValueError, match="needs offsets 0, end of clip 1"):
        read(str(recording(tmp_path / "f.npz", offsets=np.array([5, 70, 140, 210]))))
    with pytest.raises(ValueError, match="must name each of its 3 clips once"):
        read(str(recording(tmp_path / "g.npz", clip=np.array(["07_01", "07_01", "08_01"]))))
    with np.load(tmp_path / "a.npz") as held:
        still = np.repeat(held["joints"][:1], 210, axis=0)
    with pytest.raises(ValueError, match=r"clip 07_01 of .*h.npz' holds no walk: the pelvis stays within 0.00 m"):
        read(str(recording(tmp_path / "h.npz", joints=still)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": np.full((210, 27, 3), "1.0")}, r"holds joints of shape \(210, 27, 3\), <U3, not floats"),
        ({"joints": np.full((210, 27, 3), None)}, "no readable npz"),
        ({"offsets": np.array([0, 300, 140, 210], np.uint64)}, "clips of 2 frames or more"),
        ({"subject": np.array("07")}, r"holds subject of shape \(\), <U2, not text \[clips\]"),
        ({"clip": np.array([b"1", b"2", b"3"])}, "holds clip .* not text"),
        ({"parents": np.array(0)}, "holds parents .* not integers"),
        ({"fps": np.array("30")}, "holds fps .* not one number"),
        ({"fps": np.float32(1e-6)}, "must be 10 to 10000 Hz"),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(str(recording(tmp_path / "a.npz", **change)))


@pytest.mark.parametrize(
    ("factor", "at", "joints", "message"),
    [
        (np.nan, 80, 5, "clip 07_02 of .*: l_toe is not finite in frame 10"),
        (1000.0, slice(None), slice(None), "clip 07_01 of .*: a leg is .* m long; joints must be in metres"),
        (0.0, 30, slice(None), "clip 07_01 of .*: in frame 30 l_hip lies on pelvis"),
    ],
)
def test_joints_that_are_no_body_are_refused(tmp_path: Path, factor: float, at: int, joints: int, message: str) -> None:
    with np.load(recording(tmp_path / "a.npz")) as file:
        held = file["joints"].copy()
    held[at, joints] *= factor
    with pytest.raises(ValueError, match=message):
        read(str(recording(tmp_path / "b.npz", joints=held)))


def test_a_window_that_stands_still_is_refused(tmp_path: Path) -> None:
    with np.load(recording(tmp_path / "a.npz")) as file:
        held = file["joints"].copy()
    held[30:70] = held[30]
    source = MocapSource(root=str(recording(tmp_path / "b.npz", joints=held)), window=28)
    standing = [walk for walk in source.walks() if walk.take == "07_01-2"]
    with pytest.raises(ValueError, match=r"clip 07_01 stands still from .* leave it out with --clips"):
        source.load(standing[0])


def test_a_pelvis_that_jumps_is_refused(tmp_path: Path) -> None:
    with np.load(recording(tmp_path / "a.npz")) as file:
        held = file["joints"].copy()
    held[100:140] += 50.0
    with pytest.raises(ValueError, match=r"clip 07_02 of .*: the pelvis moves 70.* m from frame 29 to the next at 30 Hz"):
        read(str(recording(tmp_path / "b.npz", joints=held)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conditions": ("skirt",)}, "not 'skirt'"),
        ({"modalities": ("depth",)}, "not 'depth'"),
        ({"conditions": ("bag+nihgt",)}, "not 'nihgt'"),
        ({"views": (360,)}, "views is 0 to 359; it is 360"),
        ({"views": ()}, "views must name at least one"),
        ({"conditions": ("normal", "normal")}, "each only once"),
        ({"window": 1}, "window is 2 or more"),
        ({"conditions": ("bag+night", "night+bag")}, "each only once"),
        ({"amc_fps": 0.0}, "amc_fps is 10 to 10000"),
        ({"fps": float("nan")}, "fps is 10 to 10000; it is nan"),
        ({"segmentation_noise": float("inf")}, "segmentation_noise is 0 to 10"),
        ({"split": "tset"}, "one of train, validation, test; not 'tset'"),
    ],
)
def test_impossible_sources_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MocapSource(root="x", **change)


@pytest.mark.skipif(not RECORDED.exists(), reason=f"{RECORDED} is not here")
def test_real_walkers() -> None:
    source = MocapSource(root=str(RECORDED))
    walks = source.walks()
    assert len({w.key for w in walks}) == len(walks)
    assert len({w.subject for w in walks}) == 8
    assert len({w.take.rpartition("-")[0] for w in walks}) == 37
    for session in "12":
        assert len({w.subject for w in walks if w.session == session and not w.conditions}) == 8
    widths = {}
    for walk in walks:
        if walk.take == "08_02-1" and not walk.conditions and walk.view in ("000", "090"):
            clip = source.load(walk)["silhouette"] > 0
            assert clip.any((1, 2)).all()
            widths[walk.view] = clip[:, 50:].any(1).sum(1).max()
    assert widths["090"] > 1.4 * widths["000"]  # from the side a stride is wide
