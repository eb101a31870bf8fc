"""The benchmarks' protocols. Conditions, sessions and takes are those of the index, the same words for every data set."""

import dataclasses
import difflib

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

WALKERS = RetrievalProtocol(
    name="walkers",
    gallery=Where(session=("1",), conditions=_PLAIN),
    probes={
        "NM": Where(session=("2",), conditions=_PLAIN),
        "BG": Where(session=("2",), conditions=_BAG),
        "CL": Where(session=("2",), conditions=_CLOTHING),
    },
    average="view-pairs",
    same_view="drop",
    ranks=(1, 5),
)
"""The embedded generator: plain walks of the first day against the second day's, view pairs as in CASIA-B."""

MOCAP = RetrievalProtocol(
    name="mocap",
    gallery=Where(role=("gallery",), conditions=_PLAIN),
    probes={
        "NM": Where(role=("probe",), conditions=_PLAIN),
        "BG": Where(role=("probe",), conditions=_BAG),
        "CL": Where(role=("probe",), conditions=_CLOTHING),
    },
    average="view-pairs",
    same_view="drop",
    ranks=(1, 5),
)
"""Recorded walkers, rendered: plain walks of each person's first clip against the others, view pairs as in CASIA-B."""

PROTOCOLS: dict[str, RetrievalProtocol] = {p.name: p for p in (CASIA_B, CASIA_B_CROSS, GAIT3D, SUSTECH1K, WALKERS, MOCAP)}


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
    return dataclasses.replace(found, name=name, split=split) if at else found
