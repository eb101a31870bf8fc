"""Flesh on the 27 joints, and what is worn over it (`garments`): joints -> capsules."""

import numpy as np

from gaitlab.walkers.figure import Builder, Figure
from gaitlab.walkers.garments import dress
from gaitlab.walkers.sensors.capsules import Capsules


def capsules(joints: np.ndarray, figure: Figure) -> Capsules:
    """Joints `[t, 27, 3]` m -> the capsules of `figure` on them."""
    body = Builder(joints, figure)
    _flesh(body)
    dress(body, figure)
    return body.done()


def _flesh(b: Builder) -> None:
    g, u = b.girth, b.unit
    # trunk: two columns from the hips over the waist to the chest, bars across, belly and bottom
    waist_width, chest_width = 0.055 * u * g["waist"], 0.075 * u * g["chest"]
    waist, chest = b["spine1"] * 0.6 + b["spine2"] * 0.4, b["chest"] - b.up * 0.02 * u
    mid_hip = (b["l_hip"] + b["r_hip"]) / 2
    for side, sign in (("l", 1.0), ("r", -1.0)):
        hip = b[f"{side}_hip"] * 0.8 + mid_hip * 0.2 + b.up * 0.03 * u
        at_waist = waist + sign * waist_width * b.hip_left
        at_chest = chest + sign * chest_width * b.chest_left + 0.01 * u * b.chest_front
        shoulder = b[f"{side}_shoulder"]
        b.add("trunk", hip, at_waist, 0.1 * g["hip"], 0.09 * g["waist"])
        b.add("trunk", at_waist, at_chest, 0.09 * g["waist"], 0.1 * g["chest"])
        b.add("trunk", at_chest, shoulder - b.up * 0.02 * u, 0.085 * g["chest"], 0.05 * g["shoulder"])
        slope = shoulder * 0.85 + b["neck1"] * 0.15 - b.up * 0.01 * u
        b.add("trunk", slope, b["neck1"] + b.up * 0.03 * u, 0.045 * g["shoulder"], 0.05 * g["neck"])
        bottom = hip - 0.02 * u * b.hip_front - b.up * 0.05 * u
        b.add("trunk", bottom, mid_hip, 0.085 * g["hip"], 0.09 * g["hip"])
        _limbs(b, side)
    b.add("trunk", chest, b["neck1"], 0.095 * g["chest"], 0.06 * g["neck"])
    front = waist + (b.figure.belly + 0.01) * u * b.hip_front
    b.add("trunk", front, front - b.up * 0.06 * u, 0.085 * g["waist"], 0.09 * g["waist"])
    # head: a neck, a skull and a face
    crown = b["head_top"] + 0.015 * u * b.chest_front
    b.add("neck", b["neck1"], b["neck2"], 0.058 * g["neck"], 0.052 * g["neck"])
    b.add("head", crown - b.up * 0.01 * u, b["neck2"] + b.up * 0.03 * u + 0.02 * u * b.chest_front, 0.085 * g["head"], 0.062 * g["head"])
    b.add(
        "head",
        crown + 0.03 * u * b.chest_front - b.up * 0.035 * u,
        crown - 0.02 * u * b.chest_front - b.up * 0.02 * u,
        0.07 * g["head"],
        0.083 * g["head"],
    )


def _limbs(b: Builder, side: str) -> None:
    g, u = b.girth, b.unit
    hip, knee, ankle, ball, toe, shoulder, elbow, wrist, hand = (
        b[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "ball", "toe", "shoulder", "elbow", "wrist", "hand")
    )
    calf = knee * 0.68 + ankle * 0.32
    sole = ball - ankle
    level = sole * np.array([1.0, 1.0, 0.0])
    level = level / np.sqrt(np.square(level).sum(-1, keepdims=True) + 1e-6)
    heel = ankle - 0.3 * sole - 0.02 * u * level - b.up * 0.035 * u
    b.add(f"{side}_thigh", hip, knee, 0.088 * g["thigh"], 0.056 * g["thigh"])
    b.add(f"{side}_shank", knee, calf, 0.053 * g["shank"], 0.056 * g["shank"])
    b.add(f"{side}_calf", calf, ankle, 0.056 * g["shank"], 0.036 * g["ankle"])
    b.add(f"{side}_foot", heel, ball, 0.034 * g["foot"], 0.032 * g["foot"])
    b.add(f"{side}_foot", ankle, ball, 0.038 * g["ankle"], 0.03 * g["foot"])
    b.add(f"{side}_toes", ball, toe, 0.032 * g["foot"], 0.024 * g["foot"])
    b.add(f"{side}_arm", shoulder - b.up * 0.01 * u, elbow, 0.047 * g["arm"], 0.04 * g["arm"])
    b.add(f"{side}_forearm", elbow, wrist, 0.04 * g["arm"], 0.027 * g["arm"])
    b.add(f"{side}_hand", wrist, hand, 0.032 * g["hand"], 0.025 * g["hand"])
