"""The asf + amc reader: against a slow twin, against poses worked out by hand, and against damaged files."""

from dataclasses import dataclass
from math import cos, radians, sin
from pathlib import Path

import numpy as np
import pytest

from gaitlab.walkers.mocap.acclaim import ENDS, from_folder, read_asf
from gaitlab.walkers.mocap.source import MocapSource, read
from gaitlab.walkers.skeleton import JOINTS, joint

TREE = {
    "root": "lhipjoint rhipjoint lowerback",
    "lhipjoint": "lfemur", "lfemur": "ltibia", "ltibia": "lfoot", "lfoot": "ltoes",
    "rhipjoint": "rfemur", "rfemur": "rtibia", "rtibia": "rfoot", "rfoot": "rtoes",
    "lowerback": "upperback", "upperback": "thorax", "thorax": "lowerneck lclavicle rclavicle",
    "lowerneck": "upperneck", "upperneck": "head",
    "lclavicle": "lhumerus", "lhumerus": "lradius", "lradius": "lwrist", "lwrist": "lhand lthumb", "lhand": "lfingers",
    "rclavicle": "rhumerus", "rhumerus": "rradius", "rradius": "rwrist", "rwrist": "rhand rthumb", "rhand": "rfingers",
}  # fmt: skip
"""The bones of a published skeleton."""
UNIT = 0.0254 / 0.45


@dataclass
class Rest:
    """A bone as it is written down: degrees, units of length."""

    direction: tuple[float, float, float] = (0.0, -1.0, 0.0)
    length: float = 3.0
    axis: tuple[float, float, float] = (0.0, 0.0, 0.0)
    dof: str = "rx ry rz"


Frame = dict[str, list[float]]


def figure() -> dict[str, Rest]:
    """Somebody with hanging legs and arms held out to the sides, facing z, y up."""
    bones = {name: Rest() for children in TREE.values() for name in children.split()}
    for name, bone in bones.items():
        if name in ("lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head"):
            bone.direction = (0.0, 1.0, 0.0)
        elif name[1:] in ("hipjoint", "clavicle", "humerus", "radius", "wrist", "hand", "fingers", "thumb"):
            bone.direction = (1.0 if name[0] == "l" else -1.0, 0.0, 0.0)
        elif name[1:] in ("foot", "toes"):
            bone.direction = (0.0, 0.0, 1.0)
        if name[1:] in ("femur", "tibia"):
            bone.length = 7.5
        if name[1:] == "hipjoint":
            bone.dof = ""
    return bones


def asf(bones: dict[str, Rest]) -> str:
    out = ["# made by hand", ":version 1.10", ":name TEST", ":units", "  mass 1.0", "  length 0.45", "  angle deg"]
    out += [":documentation", "   nothing", ":root", "   order TX TY TZ RX RY RZ", "   axis XYZ", "   position 0 0 0"]
    out += ["   orientation 0 0 0", ":bonedata"]
    for number, (name, bone) in enumerate(bones.items(), 1):
        out += ["  begin", f"     id {number}", f"     name {name}", "     direction {} {} {}".format(*bone.direction)]
        out += [f"     length {bone.length}", "     axis {} {} {}  XYZ".format(*bone.axis)]
        if bone.dof:
            out += [f"    dof {bone.dof}", "    limits (-160.0 20.0)"] + ["           (-70.0 70.0)"] * (bone.dof.count("r") - 1)
        out += ["  end"]
    return "\n".join([*out, ":hierarchy", "  begin", *(f"    {parent} {children}" for parent, children in TREE.items()), "  end", ""])


def amc(frames: list[Frame]) -> str:
    out = ["#!OML:ASF D:\\TEST.ASF", ":FULLY-SPECIFIED", ":DEGREES"]
    for number, frame in enumerate(frames, 1):
        out += [str(number), *(f"{name} {' '.join(map(str, values))}" for name, values in frame.items())]
    return "\n".join([*out, ""])


def still(bones: dict[str, Rest], root: tuple[float, ...] = (0.0,) * 6, **turned: list[float]) -> Frame:
    """A frame in which all bones rest but the `turned` ones."""
    return {"root": [*root]} | {name: turned.get(name, [0.0] * bone.dof.count("r")) for name, bone in bones.items() if bone.dof}


def written(root: Path, clips: dict[str, list[Frame]], bones: dict[str, Rest] | None = None) -> Path:
    """`NN.asf` and its clips `NN_MM.amc` in `root`."""
    root.mkdir(parents=True, exist_ok=True)
    for name, frames in clips.items():
        (root / f"{name.split('_')[0]}.asf").write_text(asf(bones or figure()))
        (root / f"{name}.amc").write_text(amc(frames))
    return root


def walk(frames: int = 240, pace: float = 1.2, heading: float = 0.0) -> list[Frame]:
    """Legs and arms that swing, and a root that moves on at `pace` m/s in direction `heading` (degrees) at 120 Hz."""
    bones, out = figure(), []
    for t in range(frames):
        phase, way = 2 * np.pi * 0.9 * t / 120, pace * t / 120 / UNIT
        swing, bend = 25 * sin(phase), 20 - 20 * cos(phase)
        place = (way * sin(radians(heading)), 17.0, way * cos(radians(heading)), 0.0, heading, 0.0)
        legs = {"lfemur": [-swing, 0.0, 0.0], "rfemur": [swing, 0.0, 0.0], "ltibia": [bend, 0.0, 0.0], "rtibia": [40 - bend, 0.0, 0.0]}
        arms = {"lhumerus": [0.0, -swing, -80.0], "rhumerus": [0.0, -swing, 80.0]}
        out.append(still(bones, place, **legs, **arms))
    return out


def times(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def turn(x: float, y: float, z: float) -> list[list[float]]:
    """Rz Ry Rx of degrees, one factor after the other."""
    x, y, z = radians(x), radians(y), radians(z)
    about_x = [[1.0, 0.0, 0.0], [0.0, cos(x), -sin(x)], [0.0, sin(x), cos(x)]]
    about_y = [[cos(y), 0.0, sin(y)], [0.0, 1.0, 0.0], [-sin(y), 0.0, cos(y)]]
    about_z = [[cos(z), -sin(z), 0.0], [sin(z), cos(z), 0.0], [0.0, 0.0, 1.0]]
    return times(about_z, times(about_y, about_x))


def slow_ends(bones: dict[str, Rest], frame: Frame) -> dict[str, list[float]]:
    """Where each bone ends (metres, y up), bone after bone."""
    ends = {"root": [value * UNIT for value in frame["root"][:3]]}
    turned = {"root": turn(*frame["root"][3:])}
    for parent, children in TREE.items():
        for name in children.split():
            bone = bones[name]
            angles = dict(zip(bone.dof.split(), frame.get(name, []), strict=True))
            axis = turn(*bone.axis)
            back = [list(row) for row in zip(*axis, strict=True)]
            own = times(times(axis, turn(*(angles.get(key, 0.0) for key in ("rx", "ry", "rz")))), back)
            turned[name] = times(turned[parent], own)
            step = [bone.length * UNIT * value for value in bone.direction]
            ends[name] = [ends[parent][i] + sum(turned[name][i][k] * step[k] for k in range(3)) for i in range(3)]
    return ends


def test_joints_are_those_of_the_slow_twin(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    bones = figure()
    for i, (name, bone) in enumerate(bones.items()):
        direction = rng.standard_normal(3)
        bone.direction = tuple(direction / np.linalg.norm(direction))
        bone.length, bone.axis = rng.uniform(1, 8), tuple(rng.uniform(-180, 180, 3))
        if name[1:] != "hipjoint":
            bone.dof = ("rx", "ry", "rz", "rx ry", "rx rz", "ry rz", "rx ry rz")[i % 7]
    frames = [{name: list(rng.uniform(-120, 120, len(values))) for name, values in still(bones, (0.0,) * 6).items()} for _ in range(3)]
    joints = from_folder(written(tmp_path, {"07_01": frames}, bones)).clips[0]
    for t, frame in enumerate(frames):
        ends = slow_ends(bones, frame)
        expected = [[ends[ENDS[name]][i] for i in (2, 0, 1)] for name in JOINTS]
        assert joints[t] == pytest.approx(np.array(expected), abs=2e-6)


def posed(tmp_path: Path, bones: dict[str, Rest], frame: Frame) -> np.ndarray:
    """Joints `[27, 3]` of one frame."""
    return from_folder(written(tmp_path, {"07_01": [frame, frame]}, bones)).clips[0][0]


def test_rest_is_the_sum_of_the_bones(tmp_path: Path) -> None:
    """x is forward, y left, z up; lengths are 0.0254 / 0.45 m."""
    bones = figure()
    joints = posed(tmp_path, bones, still(bones, (0.0, 1 / UNIT, 2 / UNIT, 0.0, 0.0, 0.0)))
    assert joints[joint("pelvis")] == pytest.approx([2, 0, 1], abs=1e-5)
    assert joints[joint("l_hip")] == pytest.approx([2, 3 * UNIT, 1], abs=1e-5)
    assert joints[joint("r_knee")] == pytest.approx([2, -3 * UNIT, 1 - 7.5 * UNIT], abs=1e-5)
    assert joints[joint("l_toe")] == pytest.approx([2 + 6 * UNIT, 3 * UNIT, 1 - 15 * UNIT], abs=1e-5)
    assert joints[joint("chest")] == pytest.approx([2, 0, 1 + 9 * UNIT], abs=1e-5)
    assert joints[joint("head_top")] == pytest.approx([2, 0, 1 + 18 * UNIT], abs=1e-5)
    assert joints[joint("l_wrist")] == pytest.approx([2, 9 * UNIT, 1 + 9 * UNIT], abs=1e-5)


@pytest.mark.parametrize(
    ("axis", "angles", "forearm"),
    [
        ((0.0, 0.0, 0.0), [0.0, 0.0, 90.0], (0, 0, 1)),  # about forward: the left forearm goes up
        ((0.0, 0.0, 0.0), [0.0, -90.0, 0.0], (1, 0, 0)),  # about down: to the front
        ((0.0, 0.0, 0.0), [90.0, 0.0, 0.0], (0, 1, 0)),  # about itself: nowhere
        ((90.0, 0.0, 0.0), [0.0, 0.0, 90.0], (1, 0, 0)),  # the bone's z points down
        ((0.0, 90.0, 0.0), [0.0, 0.0, 90.0], (0, 1, 0)),  # the bone's z points along it
        ((0.0, 0.0, 0.0), [90.0, 0.0, 90.0], (0, 0, 1)),  # x first, which does nothing, then z
        ((0.0, 0.0, 0.0), [0.0, 90.0, 90.0], (-1, 0, 0)),  # y first: to the back, where z leaves it
        ((90.0, 0.0, 90.0), [90.0, 0.0, 0.0], (-1, 0, 0)),  # z after x: the bone's x points up
    ],
)
def test_a_right_angle_at_the_elbow(
    tmp_path: Path, axis: tuple[float, float, float], angles: list[float], forearm: tuple[int, int, int]
) -> None:
    bones = figure()
    bones["lradius"].axis = axis
    joints = posed(tmp_path, bones, still(bones, lradius=angles))
    assert joints[joint("l_elbow")] == pytest.approx([0, 6 * UNIT, 9 * UNIT], abs=1e-5)
    assert joints[joint("l_wrist")] - joints[joint("l_elbow")] == pytest.approx(3 * UNIT * np.array(forearm), abs=1e-5)
    assert joints[joint("l_hand")] - joints[joint("l_elbow")] == pytest.approx(9 * UNIT * np.array(forearm), abs=1e-5)  # in line
    assert joints[joint("r_wrist")] == pytest.approx([0, -9 * UNIT, 9 * UNIT], abs=1e-5)


def test_a_step_up(tmp_path: Path) -> None:
    """Thigh level to the front, shank hanging; the body turned to the left takes everything along."""
    bones = figure()
    bones["rtibia"].dof = "rx"
    pose = still(bones, (0.0, 0.0, 0.0, 0.0, 90.0, 0.0), rfemur=[-90.0, 0.0, 0.0], rtibia=[90.0])
    joints = posed(tmp_path, bones, pose)
    hip, knee, ankle = (joints[joint(f"r_{name}")] for name in ("hip", "knee", "ankle"))
    assert hip == pytest.approx([3 * UNIT, 0, 0], abs=1e-5)
    assert knee - hip == pytest.approx([0, 7.5 * UNIT, 0], abs=1e-5)
    assert ankle - knee == pytest.approx([0, 0, -7.5 * UNIT], abs=1e-5)


def test_folders_may_be_nested_or_flat_and_clips_chosen(tmp_path: Path) -> None:
    clips = {name: walk(150) for name in ("07_01", "07_02", "08_01")}
    flat = written(tmp_path / "flat", clips)
    for name, frames in clips.items():
        written(tmp_path / "nested" / name[:2], {name: frames})
    (tmp_path / "nested" / "07" / "._07_01.amc").write_bytes(b"\0\5")  # what some archivers leave behind
    for root in (flat, tmp_path / "nested"):
        recording = read(str(root))
        assert (recording.names, recording.subjects) == (("07_01", "07_02", "08_01"), ("07", "07", "08"))
        assert recording.fps == 120
    assert read(str(tmp_path / "nested" / "07")).names == ("07_01", "07_02")
    assert read(str(flat), ("07_*",)).names == ("07_01", "07_02")
    with pytest.raises(ValueError, match=r"no clip '09_\*'; it has 07_01, 07_02, 08_01"):
        read(str(flat), ("09_*",))
    source = MocapSource(root=str(flat))
    assert source.checksum() == MocapSource(root=str(tmp_path / "nested")).checksum()
    (flat / "08_01.amc").write_text(amc(walk(151)))
    read.cache_clear()
    assert source.checksum() != MocapSource(root=str(tmp_path / "nested")).checksum()


def test_the_same_walk_from_either_kind_of_file_gives_the_same_frames(tmp_path: Path) -> None:
    root = written(tmp_path / "asf", {"07_01": walk(), "07_02": walk(pace=1.0, heading=130.0)})
    recording = read(str(root))
    again = {
        "joints": np.concatenate(recording.clips), "offsets": np.array([0, 240, 480]), "subject": np.array(recording.subjects),
        "clip": np.array(recording.names), "joint_names": np.array(JOINTS), "fps": np.float64(120),
        "parents": np.array([-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 15, 13, 17, 18, 19, 20, 13, 22, 23, 24, 25]),
    }  # fmt: skip
    np.savez(tmp_path / "again.npz", **again)  # type: ignore[arg-type]
    one, other = (MocapSource(root=str(path), views=(30,), conditions=("normal", "bag")) for path in (root, tmp_path / "again.npz"))
    assert {w.session for w in one.walks()} == {"1", "2"}
    for walk_ in one.walks():
        seen, same = one.load(walk_), other.load(walk_)
        assert seen.keys() == same.keys() == {"silhouette", "range", "joints"}
        assert all((seen[modality] == same[modality]).all() for modality in seen)
        assert seen["silhouette"].any((1, 2)).mean() > 0.9


def test_frame_rate_is_the_users_word(tmp_path: Path) -> None:
    root = str(written(tmp_path, {"07_01": walk()}))
    modest = MocapSource(root=root, views=(90,), conditions=("normal",), modalities=("silhouette",), segmentation_noise=0.0)
    fast, slow = modest, MocapSource(**{**vars(modest), "amc_fps": 60.0})
    assert [sum(len(s.load(w)["silhouette"]) for w in s.walks()) for s in (fast, slow)] == [50, 100]


GOOD = asf(figure())
MOVED = amc(walk(150))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "lacks :units"),
        (lambda text: text.split(":bonedata")[0], "lacks :bonedata"),
        (lambda text: text.split(":hierarchy")[0], "lacks :hierarchy"),
        (lambda text: text[: text.index("name lhumerus")], "lacks :hierarchy"),
        (lambda text: text.replace("  end\n:hierarchy", ":hierarchy"), r"07.asf:\d+: the file breaks off within a bone"),
        (lambda text: text[: text.index("    lhumerus lradius")], r"07.asf:\d+: the file breaks off within :hierarchy"),
        (lambda text: text.replace("  length 0.45\n", ""), "lacks the length in :units"),
        (lambda text: text.replace("length 0.45", "length 0"), r"07.asf:6: length is 0; it must be above 0"),
        (lambda text: text.replace("length 0.45", "length two"), r"07.asf:6: length takes 1 finite number, not 'two'"),
        (lambda text: text.replace("angle deg", "angle rad"), "07.asf:7: angles in 'rad'"),
        (lambda text: text.replace("TX TY TZ RX RY RZ", "RX RY RZ TX TY TZ"), "07.asf:11: the root's order is RX RY RZ"),
        (lambda text: text.replace("position 0 0 0", "position 0 1 0"), "07.asf:13: the root's position is 0 1 0"),
        (lambda text: text.replace("direction 0.0 -1.0 0.0", "direction 0.0 -1.0", 1), r"07.asf:\d+: direction takes 3 finite numbers"),
        (
            lambda text: text.replace("direction 0.0 -1.0 0.0", "direction 0.0 nan 0.0", 1),
            "takes 3 finite numbers, not '0.0 nan",
        ),
        (lambda text: text.replace("direction 0.0 -1.0 0.0", "direction 0.0 -3.0 0.0", 1), "needs a direction of length 1"),
        (lambda text: text.replace("axis 0.0 0.0 0.0  XYZ", "axis 0.0 0.0 0.0  ZYX", 1), "must end in XYZ, not 'ZYX'"),
        (lambda text: text.replace("dof rx ry rz", "dof rx ry rz l", 1), "has the dof rx ry rz l; only rx, ry, rz"),
        (lambda text: text.replace("     length 7.5\n", "", 1), r"07.asf:\d+: the bone that ends here lacks length"),
        (lambda text: text.replace("name rhand", "name lhand"), "a bone must have a name of its own, not 'lhand'"),
        (lambda text: text.replace("lhumerus lradius", "lhumerus lradios"), r"07.asf:\d+: unknown bone 'lradios'"),
        (lambda text: text.replace("lhumerus lradius\n", "lhumerus\n"), "lacks the bones lhand, lradius, lwrist"),
        (lambda text: text.replace("lhumerus lradius", "lhumerus lradius rradius"), r"07.asf:\d+: rradius hangs on two bones"),
        (lambda text: text.replace("lclavicle lhumerus", "lhand lhumerus"), "lacks the bones lhand, lhumerus"),
    ],
)
def test_damaged_skeletons_are_refused_by_name(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    root = written(tmp_path, {"07_01": walk(2)})
    assert len(read_asf(root / "07.asf").bones) == 30
    (root / "07.asf").write_text(change(GOOD))
    with pytest.raises(ValueError, match=message) as caught:
        read(str(root))
    assert "07.asf" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "holds 0 frames"),
        (lambda text: text[: text.index("\n2\n")], "holds 1 frames"),
        (lambda text: text[: text.rindex("lradius")], r"07_01.amc:\d+: the file breaks off: frame 150 lacks .*lradius"),
        (lambda text: text[: text.rindex("lradius") + 12], r"07_01.amc:\d+: lradius takes 3 finite numbers, not '0.0'"),
        (lambda text: text.replace(":DEGREES", ":RADIANS"), "07_01.amc:3: :RADIANS is not known"),
        (lambda text: text.replace("\n7\n", "\n9\n"), r"07_01.amc:\d+: frame 9 follows frame 6"),
        (lambda text: text.replace("lfemur", "lfemor", 1), "07_01.amc:7: unknown bone 'lfemor'"),
        (lambda text: text.replace("lfemur", "lhipjoint", 1), "unknown bone 'lhipjoint', or one without dof"),
        (lambda text: text.replace("lfemur", "ltibia", 1), r"07_01.amc:8: ltibia stands twice in frame 1"),
        (lambda text: text.replace("head 0.0 0.0 0.0\n", "", 1), r"07_01.amc:\d+: frame 1 lacks head"),
        (lambda text: text.replace("head 0.0 0.0 0.0", "head 0.0 nan 0.0", 1), "head takes 3 finite numbers, not '0.0 nan 0.0'"),
        (lambda text: text.replace("head 0.0 0.0 0.0", "head 0.0 0.0", 1), "head takes 3 finite numbers"),
        (lambda text: text.replace("head 0.0 0.0 0.0", "head 0.0 O.0 0.0", 1), "head takes 3 finite numbers"),
        (lambda text: text.replace("\n1\n", "\n", 1), "07_01.amc:4: root stands before the first frame"),
        (lambda text: text.replace("\n7\n", "\n\xb2\n"), r"07_01.amc:\d+: unknown bone '\xb2'"),
        (lambda text: text.replace("\n7\n", "\n" + "7" * 5000 + "\n"), r"07_01.amc:\d+: unknown bone '7{80}'"),
        (lambda text: "\x89PNG\r\n\x1a\n\0\0", "unknown bone"),
        (lambda text: amc([still(figure(), (0.0, 17.0, 0.0, 0.0, 0.0, 0.0))] * 60), "clip 07_01 of .* holds no walk"),
    ],
)
def test_damaged_clips_are_refused_by_name(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    root = written(tmp_path, {"07_01": walk(2)})
    (root / "07_01.amc").write_text(change(MOVED), encoding="latin-1")
    with pytest.raises(ValueError, match=message) as caught:
        MocapSource(root=str(root)).walks()
    assert "07_01" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_incomplete_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no \.amc files"):
        read(str(tmp_path))
    root = written(tmp_path / "a", {"07_01": walk(2)})
    with pytest.raises(ValueError, match="one file of several: give the folder"):
        read(str(root / "07_01.amc"))
    (root / "07.asf").rename(root / "08.asf")
    with pytest.raises(ValueError, match=r"07_01.amc has no skeleton: put its .asf beside it"):
        read(str(root))
    written(tmp_path / "b" / "1", {"07_01": walk(2)})
    written(tmp_path / "b" / "2", {"07_01": walk(2)})
    with pytest.raises(ValueError, match="clip 07_01 lies there twice"):
        read(str(tmp_path / "b"))
