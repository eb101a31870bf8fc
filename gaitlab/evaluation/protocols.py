"""The benchmarks' protocols. Conditions, sessions and takes are those of the index, the same words for every data set."""

from collections.abc import Mapping
from dataclasses import replace

from gaitlab.config import nearest
from gaitlab.evaluation.classification import ClassificationProtocol
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.protocol import AnyProtocol, Where
from gaitlab.evaluation.rerank import Rerank
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from gaitlab.evaluation.submission import SubmissionProtocol

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

OUMVLP = RetrievalProtocol(
    name="oumvlp",
    gallery=Where(session=("01",)),
    probes={"NM": Where(session=("00",))},
    average="view-pairs",
    same_view="drop",
    distance="euclidean",
)
"""OU-MVLP (Takemura et al., IPSJ 2018), single-view gallery: 14 x 14 view pairs; probes whose mate was not recorded count as wrong."""

OUMVLP_CROSS = replace(OUMVLP, name="oumvlp-cross", average="views")
"""OU-MVLP with all views in one gallery, less the probe's own subject in the probe's own view."""

_SIDES = tuple(f"{degrees:03d}" for degrees in range(0, 181, 15))
_FIRST_SCENE = Where(session=("H-scene1", "L-scene1"), take=("1", "2"), view=_SIDES)
_OTHER_SCENES = replace(_FIRST_SCENE, session=tuple(f"{height}-{scene}" for height in "HL" for scene in ("scene2", "scene3", "scene3_s")))

CASIA_E = RetrievalProtocol(
    name="casia-e",
    gallery=replace(_FIRST_SCENE, conditions=_PLAIN),
    probes={
        "NM": replace(_OTHER_SCENES, conditions=_PLAIN),
        "BG": replace(_OTHER_SCENES, conditions=_BAG),
        "CL": replace(_OTHER_SCENES, conditions=_CLOTHING),
    },
    average="view-pairs",
    same_view="drop",
    distance="euclidean",
)
"""CASIA-E (Song et al., TPAMI 2023): plain walks of the first scene against the other scenes, high and low cameras, 0 to 180 degrees."""

GAIT3D = RetrievalProtocol(
    name="gait3d",
    gallery=Where(role=("", "gallery")),
    probes={"probes": Where(role=("probe",))},
    probes_without_mate="left-out",
    ranks=(1, 5, 10),
    distance="euclidean",
)
"""Gait3D (Zheng et al., CVPR 2022): one probe per person and camera against every other test walk."""

FREEGAIT = replace(GAIT3D, name="freegait")
"""FreeGait (Han et al., ACM MM 2024), by Gait3D's rules."""

CCGR_MINI = replace(GAIT3D, name="ccgr-mini", gallery=Where(role=("gallery",)), probes={"probes": Where(role=("", "probe"))})
"""CCGR-Mini (Zou et al., AAAI 2024): the walks that its partition names are the gallery, all others probes."""

GREW = RetrievalProtocol(
    name="grew",
    gallery=Where(session=("01",)),
    probes={"probes": Where(session=("02",))},
    ranks=(1, 5, 10, 20),
    distance="euclidean",
)
"""GREW (Zhu et al., ICCV 2021) without its server: of each test person one labelled video is sought by the other."""

GREW_SUBMISSION = SubmissionProtocol(
    name="grew-submission",
    gallery=Where(session=("01", "02")),
    probes=Where(role=("probe",)),
    video="take",
    header=("videoId", *(f"rank{k}" for k in range(1, 21))),
    labels="integer",
    distance="euclidean",
    how="zip the file and upload it to the competition that https://www.grew-benchmark.org links to",
)
"""GREW's probes for its server: the people of the nearest 20 videos, as numbers."""

HID = SubmissionProtocol(
    name="hid",
    gallery=Where(role=("", "gallery")),
    probes=Where(role=("probe",)),
    video="view",
    header=("videoID", "label"),
    distance="euclidean",
    how="name the file submission.csv, zip it and upload it to the year's competition, linked from https://hid.iapr-tc4.org",
)
"""Human Identification at a Distance, IAPR TC4's yearly competition: of each probe, the person of the nearest gallery walk."""

HID_RERANKED = replace(HID, name="hid-reranked", rerank=Rerank(k1=6, k2=6, weight=0.3))
"""The same, re-ranked by k-reciprocal neighbours: every answer then depends on the other probes."""

HID_2021 = replace(GREW, name="hid-2021", gallery=Where(session=("0",)), probes={"probes": Where(session=("1",))})
"""HID 2021 without its server: the walk of TYPE 0 sought by those of TYPE 1."""

REAL_SCENE_1000 = replace(
    GREW, name="real-scene-1000", gallery=Where(session=("1", "2")), probes={"probes": Where(session=("3", "4", "5", "6"))}
)
"""People 0001 to 1000 of HID's real scene: the first two walks against the others."""

TTG_200 = replace(GREW, name="ttg-200", gallery=Where(session=("1",)), probes={"probes": Where(session=("2", "3", "4", "5", "6"))})
"""TTG-200: the first walks against the others."""

CCPG = RetrievalProtocol(
    name="ccpg",
    gallery={
        "CL": Where(session=("U1_D1", "U2_D2", "U3_D3")),
        "UP": Where(session=("U0_D3",)),
        "DN": Where(session=("U1_D1",)),
        "BG": Where(session=("U0_D0",), conditions=_PLAIN),
    },
    probes={
        "CL": Where(session=("U0_D0",)),
        "UP": Where(session=("U3_D3",)),
        "DN": Where(session=("U1_D0",)),
        "BG": Where(session=("U0_D0",), conditions=_BAG),
    },
    average="view-pairs",
    same_view="drop",
    ranks=(1, 5),
    distance="euclidean",
)
"""CCPG (Li et al., CVPR 2023) as gait recognition, which its maintainers recommend: pairs of different views; both garments, the upper,
the lower changed, and a bag, each against a gallery of its own."""

CCPG_IDENTICAL_VIEWS = replace(CCPG, name="ccpg-identical-views", same_view="keep")
"""The same with pairs of identical views in the mean."""

CCPG_REID = replace(CCPG, name="ccpg-reid", average="probes", probes_without_mate="left-out")
"""CCPG as re-identification: all views in one gallery, less the probe's own person in the probe's own view."""

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

WALKERS_LAB = replace(
    CASIA_B,
    name="walkers-lab",
    gallery=Where(conditions=_PLAIN, take=("1", "2", "3", "4")),
    probes={
        "NM": Where(conditions=_PLAIN, take=("5", "6")),
        "BG": Where(conditions=_BAG),
        "CL": Where(conditions=_CLOTHING),
    },
    distance=None,
    people=100,
)
"""The generator's people in one session, by CASIA-B's rules: galleries of a hundred, four plain walks of each; identical views left out."""

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

SCOLIOSIS1K = ClassificationProtocol(name="scoliosis1k", classes=("negative", "neutral", "positive"))
"""Scoliosis1K (Zhou et al., MICCAI 2024): does a walk show a spine that is bent sideways?"""

PROTOCOLS: dict[str, AnyProtocol] = {
    p.name: p
    for p in (
        CASIA_B, CASIA_B_CROSS, OUMVLP, OUMVLP_CROSS, CASIA_E, GAIT3D, FREEGAIT, CCGR_MINI, GREW, GREW_SUBMISSION, HID, HID_RERANKED,
        HID_2021, REAL_SCENE_1000, TTG_200, CCPG, CCPG_IDENTICAL_VIEWS, CCPG_REID, SUSTECH1K, SCOLIOSIS1K, WALKERS,
        WALKERS_CC, WALKERS_LAB, WALKERS_WILD, WALKERS_CAMERA_TO_LIDAR, WALKERS_LIDAR_TO_CAMERA, WALKERS_OPEN, MOCAP,
    )
}  # fmt: skip


def protocol(asked: str | AnyProtocol, distance: Distance | None = None, known: Mapping[str, AnyProtocol] = PROTOCOLS) -> AnyProtocol:
    """The protocol of that name; `name@split` is the same one on another split, e.g. `walkers@validation`. A protocol is itself.

    distance: how walks are compared instead of the protocol's own way; where it is another one, the name says so.
    """
    found = _named(asked, known) if isinstance(asked, str) else asked
    return found if distance is None else found.with_distance(distance)


def _named(name: str, known: Mapping[str, AnyProtocol]) -> AnyProtocol:
    stem, at, split = name.partition("@")
    if name in known:
        return known[name]
    if stem not in known:
        raise ValueError(f"unknown protocol {stem!r}{nearest(stem, known)}")
    if at and not split:
        raise ValueError(f"protocol {name!r} names no split behind the @; write e.g. {stem}@validation")
    return replace(known[stem], name=name, split=split)


def retrieval(name: str | AnyProtocol) -> RetrievalProtocol:
    """`protocol(name)`, if people are sought under it and found or not."""
    asked = protocol(name)
    if isinstance(asked, RetrievalProtocol):
        return asked
    there = [p.name for p in PROTOCOLS.values() if isinstance(p, RetrievalProtocol)]
    raise ValueError(f"protocol {asked.name!r} has no rank-1; those that have it are {', '.join(there)}")
