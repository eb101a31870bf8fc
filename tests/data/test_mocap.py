"""The mocap source on a recording made here, and on the real one where it lies beside the checkout."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gaitlab.data.sources.mocap import MocapSource, read
from gaitlab.data.sources.walkers.people import event
from gaitlab.data.sources.walkers.skeleton import JOINTS, PARENTS
from tests.conftest import SHARED

RECORDED = SHARED / "data" / "cmu_walks.npz"


def recording(path: Path, turn: float = 0.0, **changes: object) -> Path:
    """Three clips of two people, 70 frames at 30 Hz, walking in direction `turn` (radians)."""
    clips = [event(5, who, day, (), "1", (70, 70), 30.0).joints for who, day in (("a", "1"), ("a", "2"), ("b", "1"))]
    joints = np.concatenate(clips)
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


def test_clips_are_cut_into_takes_with_roles(tmp_path: Path) -> None:
    source = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(0, 90))
    walks = source.walks()
    assert len({w.key for w in walks}) == len(walks) == 3 * 1 * 3 * 2  # 58 frames at 25 Hz are one window of 30 and a rest
    assert {w.subject for w in walks} == {"cmu07", "cmu08"}
    assert {w.split for w in walks} == {"test"}
    roles = {(w.session, w.take, w.conditions): w.role for w in replace(source, window=25).walks()}
    assert roles["07_01", "2", ()] == "gallery"
    assert roles["07_01", "2", ("bag",)] == ""  # the gallery's own motion under a bag proves nothing
    assert roles["07_02", "1", ("bag",)] == "probe"
    assert roles["08_01", "1", ()] == "gallery"
    assert roles["08_01", "2", ()] == "probe"


def test_takes_cover_the_clip_without_overlap(tmp_path: Path) -> None:
    source = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(90,), window=25, conditions=("normal",))
    frames = [len(source.load(w)["silhouette"]) for w in source.walks() if w.session == "07_01"]
    assert frames == [29, 29]
    slow = replace(source, fps=12.5, window=10)
    assert sum(len(slow.load(w)["silhouette"]) for w in slow.walks() if w.session == "07_01") == 29


def test_heading_and_place_on_the_floor_leave_no_trace(tmp_path: Path) -> None:
    straight = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(90,), segmentation_noise=0.0)
    turned = replace(straight, root=str(recording(tmp_path / "b.npz", turn=2.2)))
    for walk in straight.walks():
        assert (straight.load(walk)["silhouette"] != turned.load(walk)["silhouette"]).mean() < 2e-3


def test_mean_body_leaves_motion_only(tmp_path: Path) -> None:
    own = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(90,), segmentation_noise=0.0)
    mean = replace(own, body="mean")
    walk = own.walks()[0]
    assert (own.load(walk)["silhouette"] != mean.load(walk)["silhouette"]).any()
    assert own.checksum() != mean.checksum()
    assert own.checksum() == replace(own).checksum()


def test_frames_are_reproducible_and_binary(tmp_path: Path) -> None:
    source = MocapSource(root=str(recording(tmp_path / "a.npz")), views=(0,))
    for walk in source.walks():
        clip = source.load(walk)["silhouette"]
        assert (clip == source.load(walk)["silhouette"]).all()
        assert set(np.unique(clip)) == {0, 255}
        assert clip.shape[1:] == (64, 64)


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
    with pytest.raises(ValueError, match="holds joints of shape"):
        read(str(recording(tmp_path / "d.npz", joints=np.full((210, 27, 3), np.nan))))
    with pytest.raises(ValueError, match="not 'skirt'"):
        MocapSource(root="x", conditions=("skirt",))


@pytest.mark.skipif(not RECORDED.exists(), reason=f"{RECORDED} is not here")
def test_real_walkers() -> None:
    source = MocapSource(root=str(RECORDED))
    walks = source.walks()
    assert len({w.key for w in walks}) == len(walks)
    assert len({w.subject for w in walks}) == 8
    assert len({w.session for w in walks}) == 37
    for role in ("gallery", "probe"):
        assert len({w.subject for w in walks if w.role == role}) == 8
    widths = {}
    for walk in walks:
        if walk.session == "08_02" and not walk.conditions and walk.view in ("000", "090"):
            clip = source.load(walk)["silhouette"] > 0
            assert clip.any((1, 2)).all()
            widths[walk.view] = clip[:, 50:].any(1).sum(1).max()
    assert widths["090"] > 1.4 * widths["000"]  # from the side a stride is wide
