"""The 27-joint chain that walkers and recorded people share: names, parents, bones.

Joints are `[..., 27, 3]` metres, x forward, y left, z up. A bone is named by the joint it ends in; bones run in `BONES` order.
"""

import numpy as np

JOINTS = [
    "pelvis",
    "l_hip", "l_knee", "l_ankle", "l_ball", "l_toe", "r_hip", "r_knee", "r_ankle", "r_ball", "r_toe",
    "spine1", "spine2", "chest", "neck1", "neck2", "head_top",
    "l_shoulder", "l_elbow", "l_wrist", "l_palm", "l_hand", "r_shoulder", "r_elbow", "r_wrist", "r_palm", "r_hand",
]  # fmt: skip
PARENTS = (-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 15, 13, 17, 18, 19, 20, 13, 22, 23, 24, 25)
BONES = JOINTS[1:]
MIRROR = np.array([JOINTS.index({"l": "r", "r": "l"}[j[0]] + j[1:] if j[1] == "_" else j) for j in JOINTS])
"""Joint on the other side of the body."""

SHAFTS = np.array([bone[2:] in ("knee", "ankle") for bone in BONES])
"""Thighs and shanks."""
THIGHS = np.array([bone[2:] == "knee" for bone in BONES])
FEET = np.array([bone[2:] in ("ball", "toe") for bone in BONES])
ARMS = np.array([bone[2:] in ("elbow", "wrist", "palm", "hand") for bone in BONES])
TRUNK = np.array([bone in ("spine1", "spine2", "chest", "neck1", "l_shoulder", "r_shoulder") for bone in BONES])


def joint(name: str) -> int:
    return JOINTS.index(name)


def chain(directions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Unit bone directions `[..., 26, 3]` and lengths `[26]` m -> joints `[..., 27, 3]` with the pelvis at the origin."""
    bones = directions * lengths[:, None]
    joints = np.zeros((*bones.shape[:-2], len(JOINTS), 3))
    for j in range(1, len(JOINTS)):
        joints[..., j, :] = joints[..., PARENTS[j], :] + bones[..., j - 1, :]
    return joints


def bones_of(joints: np.ndarray) -> np.ndarray:
    """Bone vectors `[..., 26, 3]` of joints `[..., 27, 3]`."""
    return joints[..., 1:, :] - joints[..., list(PARENTS[1:]), :]


def face_forward(joints: np.ndarray) -> np.ndarray:
    """Recorded joints `[t, 27, 3]` turned so that the walk goes along x, its middle above the origin, its lowest joint at z = 0.

    Position and heading on the recording floor would give people away (a subject's clips start in the same corner).
    """
    path = joints[:, joint("pelvis"), :2]
    time = np.arange(len(path)) - (len(path) - 1) / 2
    heading = (path * time[:, None]).sum(0)
    c, s = heading / np.hypot(*heading)
    moved = joints - np.array([*path.mean(0), np.percentile(joints[..., 2].min(1), 5)])
    x, y, z = moved[..., 0], moved[..., 1], moved[..., 2]
    return np.stack([x * c + y * s, y * c - x * s, z], axis=-1)
