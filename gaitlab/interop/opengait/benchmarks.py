"""OpenGait's names of data sets and evaluation functions -> our shards, layouts and protocols."""

import shlex

from gaitlab.config import nearest
from gaitlab.data.sources.datasets import LAYOUTS

DATA_SETS = (
    "casia-b", "oumvlp", "casia-e", "grew", "gait3d", "sustech1k", "ccpg", "ccgr", "ccgr-mini", "freegait", "hid", "hid-2021",
    "real-scene-1000", "ttg-200", "scoliosis1k", "gaitlu-1m",
)  # fmt: skip
"""Our names: of shards, and of the layout where there is one. Theirs differ by case and by _ for -, and by what is below."""
_ALSO = {
    "ou-mvlp": "oumvlp",
    "hid2021": "hid-2021",
    "hid2022": "hid",
    "hid2023": "hid",
    "0001-1000": "real-scene-1000",
    "ttg200": "ttg-200",
}

INDOOR, CROSS, RERANKED = "evaluate_indoor_dataset", "evaluate_indoor_dataset with cross_view_gallery", "HID_submission with rerank"
RULES: dict[tuple[str, str], str] = {
    ("casia-b", INDOOR): "casia-b",
    ("casia-b", CROSS): "casia-b-cross",
    ("oumvlp", INDOOR): "oumvlp",
    ("oumvlp", CROSS): "oumvlp-cross",
    ("casia-e", INDOOR): "casia-e",
    ("sustech1k", INDOOR): "sustech1k",
    ("gait3d", "evaluate_Gait3D"): "gait3d",
    ("freegait", "evaluate_FreeGait"): "freegait",
    ("freegait", "evaluate_Gait3D"): "freegait",
    ("ccgr-mini", "evaluate_CCGR_MINI"): "ccgr-mini",
    ("ccgr-mini", "evaluate_Gait3D"): "ccgr-mini",
    ("ccpg", "evaluate_CCPG"): "ccpg",
    ("grew", "GREW_submission"): "grew-submission",
    ("grew", "evaluate_real_scene"): "grew",
    ("hid", "HID_submission"): "hid",
    ("hid", RERANKED): "hid-reranked",
    ("hid-2021", "evaluate_real_scene"): "hid-2021",
    ("real-scene-1000", "evaluate_real_scene"): "real-scene-1000",
    ("ttg-200", "evaluate_real_scene"): "ttg-200",
    ("scoliosis1k", "evaluate_scoliosis"): "scoliosis1k",
}
"""(data set, evaluation function) -> protocol."""


def data_set(name: str, path: str) -> str:
    """Our name of a data set; `path` is the key that named it."""
    plain = name.lower().replace("_", "-")
    plain = _ALSO.get(plain, plain)
    if plain not in DATA_SETS:
        raise ValueError(f"{path} is {name!r}{nearest(plain, DATA_SETS)}")
    return plain


def protocol_of(data: str, function: str) -> str:
    """Name of the protocol that `function` stands for on `data`."""
    if (data, function) not in RULES:
        there = " or ".join(there for of, there in RULES if of == data) or "none, for it is for training only"
        raise ValueError(f"evaluator_cfg.eval_func: {function} is not known for {data}; there is {there}")
    return RULES[data, function]


def ingest_line(data: str, root: str, partition: str, use: dict[str, int]) -> str:
    """What to type to make the shards. use: modality -> position of its file, where the configuration says so."""
    layout = data if data in LAYOUTS else "plain"
    own = {modality: rules[0] for modality, rules in LAYOUTS[layout].files.items()}
    differs = any(own.get(modality) != position for modality, position in use.items())
    words = [f"{modality}={position}" for modality, position in use.items()] if differs else []
    line = ["python", "pipelines/ingest.py", "opengait", "--root", root, "--layout", layout, "--partition", partition, "--out", data]
    return shlex.join([*line, *(["--use", *words] if words else [])])
