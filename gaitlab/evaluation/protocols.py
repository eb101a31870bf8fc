"""The benchmarks' protocols. Conditions, sessions and takes are those of the index, the same words for every data set."""

import difflib
from dataclasses import replace

from gaitlab.evaluation.protocol import RetrievalProtocol, Where

_PLAIN, _BAG, _CLOTHING = (), ("bag",), ("clothing",)

CASIA_B = RetrievalProtocol(
    name="casia-b",
    gallery=Where(conditions=_PLAIN, take=("01", "02", "03", "04")),
    probes={
        "NM": Where(conditions=_PLAIN, take=("05", "06")),
        "BG": Where(conditions=_BAG, take=("01", "02")),
        "CL": Where(conditions=_CLOTHING, take=("01", "02")),
    },
    average="view-pairs",
    same_view="drop",
    distance="euclidean",
)
"""CASIA-B (Yu et al., ICPR 2006), single-view gallery: 11 x 11 view pairs, identical views left out."""

CASIA_B_CROSS = RetrievalProtocol(
    name="casia-b-cross",
    gallery=Where(take=("02",)),
    probes={
        "NM": Where(conditions=_PLAIN, take=("01",)),
        "BG": Where(conditions=_BAG, take=("01",)),
        "CL": Where(conditions=_CLOTHING, take=("01",)),
    },
    average="views",
    same_view="drop",
    distance="euclidean",
)
"""CASIA-B with all views and conditions in one gallery, less the probe's own subject in the probe's own view."""

GAIT3D = RetrievalProtocol(
    name="gait3d",
    gallery=Where(role=("", "gallery")),
    probes={"probes": Where(role=("probe",))},
    probes_without_mate="left-out",
    ranks=(1, 5, 10),
    distance="euclidean",
)
"""Gait3D (Zheng et al., CVPR 2022): one probe per person and camera against every other test walk."""

SUSTECH1K = RetrievalProtocol(
    name="sustech1k",
    gallery=Where(session=("00",), conditions=_PLAIN),
    probes={
        "Normal": Where(session=("01",), conditions=_PLAIN),
        "Bag": Where(contains="bag"),
        "Clothing": Where(contains="clothing"),
        "Carrying": Where(contains="carrying"),
        "Umbrella": Where(contains="umbrella"),
        "Uniform": Where(contains="uniform"),
        "Occlusion": Where(contains="occlusion"),
        "Night": Where(contains="night"),
        "Overall": Where(session=("01", "02", "03", "04")),
    },
    average="view-pairs",
    same_view="drop",
    ranks=(1, 5),
    distance="euclidean",
    headline="Overall",
)
"""SUSTech1K (Shen et al., CVPR 2023): 12 x 12 view pairs; a walk may count for several conditions."""

_DAY_2 = Where(session=("2",))

WALKERS = RetrievalProtocol(
    name="walkers",
    gallery=Where(session=("1",), conditions=_PLAIN),
    probes={
        "Normal": replace(_DAY_2, conditions=_PLAIN),
        "Bag": replace(_DAY_2, contains="bag"),
        "Clothing": replace(_DAY_2, contains="clothing"),
        "Carrying": replace(_DAY_2, contains="carrying"),
        "Umbrella": replace(_DAY_2, contains="umbrella"),
        "Uniform": replace(_DAY_2, contains="uniform"),
        "Occlusion": replace(_DAY_2, contains="occlusion"),
        "Night": replace(_DAY_2, contains="night"),
        "Overall": _DAY_2,
    },
    average="view-pairs",
    same_view="drop",
    ranks=(1, 5),
    headline="Overall",
)
"""The embedded generator, by SUSTech1K's rules: plain walks of the first day against all walks of the second."""

WALKERS_CC = replace(
    WALKERS,
    name="walkers-cc",
    probes={
        "CL": replace(_DAY_2, conditions=("lower", "upper")),
        "UP": replace(_DAY_2, conditions=("upper",)),
        "DN": replace(_DAY_2, conditions=("lower",)),
        "BG": replace(_DAY_2, conditions=_BAG),
        "Same": replace(_DAY_2, conditions=_PLAIN),
    },
    headline="CL",
)
"""Change of clothes in the style of CCPG (Li et al., CVPR 2023): people in their own clothes, sought with both garments changed, the
upper, the lower, a bag, none. The headline is CL, the case that such data exist for: a mean would hide it behind the easy sets."""

WALKERS_WILD = replace(GAIT3D, name="walkers-wild", distance=None)
"""The generator's walks of any view, length and occlusion, by Gait3D's rules: a probe a person against a gallery of all views."""

WALKERS_CAMERA_TO_LIDAR = replace(WALKERS, name="walkers-camera-to-lidar", modality=("silhouette", "range"))
"""Across sensors: people whom a camera saw are sought among those whom a LiDAR saw on the first day."""

WALKERS_LIDAR_TO_CAMERA = replace(WALKERS, name="walkers-lidar-to-camera", modality=("range", "silhouette"))
"""The other way round."""

WALKERS_OPEN = replace(WALKERS, name="walkers-open", enrolled=0.5)
"""Open set: half of the people are enrolled, the other half are impostors."""

MOCAP = replace(WALKERS, name="mocap")
"""Recorded people, rendered by the generator's sensors: its rules as they are."""

PROTOCOLS: dict[str, RetrievalProtocol] = {
    p.name: p
    for p in (
        CASIA_B, CASIA_B_CROSS, GAIT3D, SUSTECH1K, WALKERS, WALKERS_CC, WALKERS_WILD, WALKERS_CAMERA_TO_LIDAR, WALKERS_LIDAR_TO_CAMERA,
        WALKERS_OPEN, MOCAP,
    )
}  # fmt: skip


def protocol(name: str) -> RetrievalProtocol:
    """The protocol called `name`; `name@split` is the same one on another split, e.g. `walkers@validation`."""
    stem, at, split = name.partition("@")
    if stem not in PROTOCOLS:
        near = difflib.get_close_matches(stem, PROTOCOLS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(PROTOCOLS)}"
        raise ValueError(f"unknown protocol {stem!r}; {hint}")
    if at and not split:
        raise ValueError(f"protocol {name!r} names no split behind the @; write e.g. {stem}@validation")
    found = PROTOCOLS[stem]
    return replace(found, name=name, split=split) if at else found
