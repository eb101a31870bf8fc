"""How published data sets name their folders `ID/TYPE/VIEW` and files: one value each, read by one piece of code.

Canonical conditions: bag, clothing, carrying, umbrella, uniform, occlusion, night; a plain walk has none of them. A diagnosis
(negative, neutral, positive) is a condition, too. `take` is the running number of equal walks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gaitlab.config import nearest

CONDITIONS = {
    "nm": "",
    "bg": "bag",
    "cl": "clothing",
    "cr": "carrying",
    "ub": "umbrella",
    "uf": "uniform",
    "oc": "occlusion",
    "nt": "night",
    "negative": "negative",
    "neutral": "neutral",
    "positive": "positive",
}
"""Word in a TYPE folder's name -> canonical condition, "" for none."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names of one data set.

    type, view: regular expressions of the whole folder name; their groups `session`, `conditions` (words with - between),
    `take` and `view` become the walk's fields.
    files: modality -> which file of a VIEW folder it is: a number (the file named so, "06-...", or, where files are not all
    numbered, the position in sorted order) or a pattern of the name; the first that is there counts.
    fps: frames per second, by modality, of those files.
    probe_subject: folder of the probes whose identity is not published.
    """

    name: str
    type: str = r"(?P<session>.+)"
    view: str = r"(?P<view>.+)"
    files: Mapping[str, tuple[int | str, ...]] = field(default_factory=lambda: {"silhouette": (0,)})
    fps: Mapping[str, float] = field(default_factory=dict)
    probe_subject: str = ""

    def parse(self, type_name: str, view_name: str) -> dict[str, str | tuple[str, ...]]:
        """Fields session, conditions, take and view of a walk; ValueError when the names are not of this data set."""
        found: dict[str, str] = {}
        for level, pattern, name in (("TYPE", self.type, type_name), ("VIEW", self.view, view_name)):
            match = re.fullmatch(pattern, name)
            if match is None:
                raise ValueError(f"{level} folder {name!r} is not named as in {self.name} ({pattern})")
            found |= {key: value or "" for key, value in match.groupdict().items()}
        words = [word for word in found.pop("conditions", "").lower().split("-") if word]
        if unknown := [word for word in words if word not in CONDITIONS]:
            raise ValueError(f"TYPE folder {type_name!r} has the unknown condition {unknown[0]!r}; known are {', '.join(CONDITIONS)}")
        return {**found, "conditions": tuple(sorted({CONDITIONS[word] for word in words} - {""}))}


_TABLE = (
    Layout(name="plain"),
    Layout(name="casia-b", type=r"(?P<conditions>nm|bg|cl)-(?P<take>\d+)"),
    Layout(name="oumvlp", type=r"(?P<session>\d\d)"),
    Layout(name="casia-e", type=r"(?P<session>[HL]-scene\d(?:_s)?)-(?P<conditions>nm|bg|cl)-(?P<take>\d+)"),
    # a VIEW folder is a video here: the camera is not known
    Layout(name="grew", type=r"(?P<session>\d\d)", view=r"(?P<take>.+)", probe_subject="probe"),
    Layout(name="gait3d", files={"silhouette": ("sils-*", 0)}),
    Layout(
        name="sustech1k",
        type=r"(?P<session>\d\d)-(?P<conditions>[a-z]+(?:-[a-z]+)*)",
        files={"silhouette": (6,), "depth": (1,)},
        fps={"silhouette": 30.0, "depth": 10.0},
    ),
    Layout(name="ccpg", type=r"(?P<session>U\d_D\d)(?:_(?P<conditions>BG))?", view=r"(?P<view>[^_]+)_(?P<take>.+)"),
    Layout(name="ccgr", files={"silhouette": (2,)}),
    Layout(name="ccgr-mini", files={"silhouette": (2,)}),
    Layout(name="freegait", files={"silhouette": ("*image*",), "range": ("*range*",)}),
    Layout(name="hid", probe_subject="probe"),  # a VIEW folder is named by its video
    Layout(name="real-scene-1000", type=r"(?P<session>\d)"),
    Layout(name="ttg-200", type=r"(?P<session>\d)"),
    Layout(name="scoliosis1k", type=r"(?P<conditions>negative|neutral|positive)"),
)
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _TABLE}


def layout(name: str) -> Layout:
    """The layout of that name."""
    if name not in LAYOUTS:
        raise ValueError(f"unknown layout {name!r}{nearest(name.lower(), LAYOUTS)}")
    return LAYOUTS[name]
