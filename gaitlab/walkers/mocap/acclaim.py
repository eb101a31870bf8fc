"""Acclaim motion capture, as the CMU database publishes it: a skeleton (.asf) and clips of joint angles (.amc) -> joints.

Format: Lander, "Working with Motion Capture File Formats", Game Developer, January 1998. A bone turns about its own axes: with
C the rotation of its `axis` line, M = Rz Ry Rx that of a frame's angles and P its parent's rotation, R = P C M C^-1, and it ends
at the parent's end + R direction length. Files are y up, in units of 0.0254 m / `length`. Other variants of the format (another order
of axes, radians, bones that stretch, a root that is moved or turned) are refused.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from gaitlab.walkers.mocap.recording import Recording, chosen
from gaitlab.walkers.skeleton import JOINTS

INCH = 0.0254
ROOT_ORDER = ["TX", "TY", "TZ", "RX", "RY", "RZ"]
_SIDE = {
    "hip": "hipjoint", "knee": "femur", "ankle": "tibia", "ball": "foot", "toe": "toes",
    "shoulder": "clavicle", "elbow": "humerus", "wrist": "radius", "palm": "wrist", "hand": "hand",
}  # fmt: skip
_MIDDLE = {
    "pelvis": "root", "spine1": "lowerback", "spine2": "upperback", "chest": "thorax", "neck1": "lowerneck", "neck2": "upperneck",
    "head_top": "head",
}  # fmt: skip
ENDS = {name: _MIDDLE.get(name) or name[0] + _SIDE[name[2:]] for name in JOINTS}
"""Joint -> the bone that ends in it."""


@dataclass(frozen=True, kw_only=True)
class Bone:
    """parent: a bone or "root"; offset: `[3]` m from the parent's end at rest; axis: C `[3, 3]`; turns: which of x, y, z (0, 1, 2)
    a frame gives angles for."""

    name: str
    parent: str
    offset: np.ndarray
    axis: np.ndarray
    turns: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Bones, parents first; unit: metres per unit of length."""

    bones: tuple[Bone, ...]
    unit: float


def from_folder(root: Path, patterns: Sequence[str] = (), fps: float = 120.0) -> Recording:
    """Clips `NN_MM.amc` anywhere below `root`, each of the person whose `NN.asf` lies beside it."""
    files = sorted((f for f in root.rglob("*") if f.suffix.lower() == ".amc" and f.name[0] != "."), key=lambda f: (f.stem, str(f)))
    if not files:
        raise ValueError(f"{root} holds no .amc files; give the folder of the .asf and .amc files as --root")
    files = [files[i] for i in chosen([f.stem for f in files], patterns, root)]
    for one, other in pairwise(files):
        if one.stem == other.stem:
            raise ValueError(f"clip {one.stem} lies there twice: {one} and {other}")
    skeletons: dict[Path, Skeleton] = {}
    clips, subjects = [], []
    for file in files:
        beside = [f for f in file.parent.iterdir() if f.suffix.lower() == ".asf" and file.stem.startswith(f.stem + "_")]
        if not beside:
            raise ValueError(f"{file} has no skeleton: put its .asf beside it, e.g. 07.asf for 07_01.amc")
        of = max(beside, key=lambda f: len(f.stem))
        if of not in skeletons:
            skeletons[of] = read_asf(of)
        clips.append(forward(skeletons[of], *read_amc(file, skeletons[of])))
        subjects.append(of.stem)
    return Recording(clips=tuple(clips), subjects=tuple(subjects), names=tuple(f.stem for f in files), fps=fps, files=(*skeletons, *files))


def forward(skeleton: Skeleton, place: np.ndarray, angles: dict[str, np.ndarray]) -> np.ndarray:
    """Root positions `[t, 3]` and radians `[t, 3]` of "root" and of bones (others stay at rest) -> joints `[t, 27, 3]` m, z up."""
    ends, turned = {"root": place * skeleton.unit}, {"root": rotation(angles["root"])}
    for bone in skeleton.bones:
        turn = turned[bone.parent]
        if bone.name in angles:
            own = np.einsum("ij,tjk,lk->til", bone.axis, rotation(angles[bone.name]), bone.axis)
            turn = np.einsum("tij,tjk->tik", turn, own)
        turned[bone.name] = turn
        ends[bone.name] = ends[bone.parent] + np.einsum("tij,j->ti", turn, bone.offset)
    joints = np.stack([ends[ENDS[name]] for name in JOINTS], axis=1)
    return np.round(joints[..., [2, 0, 1]], 6)  # y up, facing z -> z up, facing x


def rotation(angles: np.ndarray) -> np.ndarray:
    """Rz Ry Rx `[..., 3, 3]` of radians `[..., 3]`."""
    (cx, cy, cz), (sx, sy, sz) = (np.moveaxis(f(angles), -1, 0) for f in (np.cos, np.sin))
    rows = [
        [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
        [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
        [-sy, sx * cy, cx * cy],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


# -- files -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """Words of one line of a file, with what it takes to complain about it."""

    file: Path
    number: int
    words: list[str]

    def wrong(self, what: str) -> ValueError:
        return ValueError(f"{self.file}:{self.number}: {what}")

    def numbers(self, count: int, words: list[str] | None = None) -> list[float]:
        """`count` finite numbers behind the first word (or in `words`)."""
        given = self.words[1:] if words is None else words
        try:
            values = [float(word) for word in given]
        except ValueError:
            values = [math.nan]
        if len(given) != count or not all(map(math.isfinite, values)):
            raise self.wrong(f"{self.words[0]} takes {count} finite number{'s' * (count > 1)}, not '{' '.join(given)[:80]}'")
        return values


def lines(file: Path) -> Iterator[Line]:
    """Lines with words in them; `#` starts a comment."""
    try:
        text = file.read_text(encoding="latin-1")
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if words := line.partition("#")[0].split():
            yield Line(file, number, words)


def read_asf(file: Path) -> Skeleton:
    """The skeleton in an .asf; ValueError names file, line and what is wrong."""
    sections: dict[str, list[Line]] = {}
    body: list[Line] = []
    for line in lines(file):
        if line.words[0].startswith(":"):
            body = sections.setdefault(line.words[0][1:].lower(), [])
        else:
            body.append(line)
    for name in ("units", "root", "bonedata", "hierarchy"):
        if not sections.get(name):
            raise ValueError(f"{file} is no whole skeleton: it lacks :{name}")
    unit = _unit(file, sections["units"])
    _check_root(sections["root"])
    parts = _bonedata(sections["bonedata"])
    parents = _hierarchy(sections["hierarchy"], parts)
    if missing := sorted(set(ENDS.values()) - parents.keys() - {"root"}):
        raise ValueError(f"{file} lacks the bones {', '.join(missing)} (or does not hang them on any other)")
    return Skeleton(bones=tuple(_bone(parts[name], name, parent, unit) for name, parent in parents.items()), unit=unit)


def _unit(file: Path, section: list[Line]) -> float:
    """Metres per unit of length."""
    length = None
    for line in section:
        if line.words[0] == "length":
            (length,) = line.numbers(1)
            if length <= 0:
                raise line.wrong(f"length is {length:g}; it must be above 0")
        if line.words[0] == "angle" and line.words[1:] != ["deg"]:
            raise line.wrong(f"angles in {' '.join(line.words[1:])!r}; only deg is known")
    if length is None:
        raise ValueError(f"{file} lacks the length in :units")
    return INCH / length


def _check_root(section: list[Line]) -> None:
    for line in section:
        key, *rest = line.words
        if key == "order" and [word.upper() for word in rest] != ROOT_ORDER:
            raise line.wrong(f"the root's order is {' '.join(rest)}; only {' '.join(ROOT_ORDER)} is known")
        if key == "axis" and [word.upper() for word in rest] != ["XYZ"]:
            raise line.wrong(f"the root's axis is {' '.join(rest)}; only XYZ is known")
        if key in ("position", "orientation") and any(line.numbers(3)):
            raise line.wrong(f"the root's {key} is {' '.join(rest)}; only 0 0 0 is known")


def _bonedata(section: list[Line]) -> dict[str, dict[str, Line]]:
    """Bone -> keyword -> its line."""
    bones: dict[str, dict[str, Line]] = {}
    block: dict[str, Line] | None = None
    for line in section:
        key = line.words[0]
        if key == "begin":
            if block is not None:
                raise line.wrong("a bone begins before the last one's end")
            block = {}
        elif block is None:
            raise line.wrong(f"{key!r} stands outside begin and end")
        elif key != "end":
            block[key] = line
        else:
            if missing := [word for word in ("name", "direction", "length", "axis") if word not in block]:
                raise line.wrong(f"the bone that ends here lacks {', '.join(missing)}")
            name = " ".join(block["name"].words[1:])
            if not name or name == "root" or name in bones:
                raise block["name"].wrong(f"a bone must have a name of its own, not {name!r}")
            bones[name], block = block, None
    if block is not None:
        raise section[-1].wrong("the file breaks off within a bone")
    return bones


def _hierarchy(section: list[Line], bones: dict[str, dict[str, Line]]) -> dict[str, str]:
    """Bone -> parent, parents first."""
    if section[-1].words != ["end"]:
        raise section[-1].wrong("the file breaks off within :hierarchy")
    above: dict[str, str] = {}
    for line in section:
        if line.words[0] in ("begin", "end"):
            continue
        for name in line.words:
            if name not in bones and name != "root":
                raise line.wrong(f"unknown bone {name!r}")
        for name in line.words[1:]:
            if name in above or name == "root":
                raise line.wrong(f"{name} hangs on two bones")
            above[name] = line.words[0]
    order: dict[str, str] = {}
    while ready := [name for name, parent in above.items() if name not in order and (parent == "root" or parent in order)]:
        order |= {name: above[name] for name in ready}
    return order


def _bone(block: dict[str, Line], name: str, parent: str, unit: float) -> Bone:
    direction, (length,) = np.array(block["direction"].numbers(3)), block["length"].numbers(1)
    *angles, order = block["axis"].words[1:] or [""]
    if order.upper() != "XYZ":
        raise block["axis"].wrong(f"the axis of {name} must end in XYZ, not {order!r}")
    axis = rotation(np.radians(block["axis"].numbers(3, angles)))
    norm = math.sqrt(float(np.square(direction).sum()))
    if name in ENDS.values() and not (0.98 < norm < 1.02 and length > 0):
        raise block["length"].wrong(f"{name} needs a direction of length 1 and a length above 0, not {norm:.3g} and {length:g}")
    dof = block["dof"].words[1:] if "dof" in block else []
    turns = tuple(i for i, word in enumerate(("rx", "ry", "rz")) if word in dof)
    if dof != [("rx", "ry", "rz")[i] for i in turns]:
        raise block["dof"].wrong(f"{name} has the dof {' '.join(dof)}; only rx, ry, rz in this order are known")
    return Bone(name=name, parent=parent, offset=direction * length * unit, axis=axis, turns=turns)


def read_amc(file: Path, skeleton: Skeleton) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Root positions `[t, 3]` in the file's units, and radians `[t, 3]` of the root and of every bone that turns."""
    columns, width = {"root": slice(0, 6)}, 6
    for bone in skeleton.bones:
        if bone.turns:
            columns[bone.name], width = slice(width, width + len(bone.turns)), width + len(bone.turns)
    rows: list[list[float]] = []
    frame, left, line = 0, set[str](), None
    for line in lines(file):
        key = line.words[0]
        if key.startswith(":"):
            if key.upper() not in (":FULLY-SPECIFIED", ":DEGREES"):
                raise line.wrong(f"{key} is not known; a clip is :FULLY-SPECIFIED and in :DEGREES")
        elif len(line.words) == 1 and key.isdecimal() and len(key) < 10:
            if left:
                raise line.wrong(f"frame {frame} lacks {', '.join(sorted(left))}")
            if rows and int(key) != frame + 1:
                raise line.wrong(f"frame {key} follows frame {frame}")
            frame, left = int(key), set(columns)
            rows.append([0.0] * width)
        elif key not in columns:
            raise line.wrong(f"unknown bone {key[:80]!r}, or one without dof in the skeleton")
        elif key not in left:
            raise line.wrong(f"{key} stands twice in frame {frame}" if rows else f"{key} stands before the first frame")
        else:
            left.discard(key)
            at = columns[key]
            rows[-1][at] = line.numbers(at.stop - at.start)
    if line is None or len(rows) < 2:
        raise ValueError(f"{file} holds {len(rows)} frames; a clip needs 2 or more")
    if left:
        raise line.wrong(f"the file breaks off: frame {frame} lacks {', '.join(sorted(left))}")
    table = np.array(rows)
    angles = {"root": np.radians(table[:, 3:6])}
    for bone in skeleton.bones:
        if bone.turns:
            angles[bone.name] = np.zeros((len(rows), 3))
            angles[bone.name][:, bone.turns] = np.radians(table[:, columns[bone.name]])
    return table[:, :3], angles
