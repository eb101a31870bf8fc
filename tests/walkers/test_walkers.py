"""The embedded benchmark: names decide pixels, on any machine; identity is there and not trivial; impossible wishes are refused."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gaitlab.config import from_dict, to_dict
from gaitlab.data.ingest import ingest
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.evaluation.protocol import select
from gaitlab.evaluation.protocols import PROTOCOLS
from gaitlab.walkers.people import event
from gaitlab.walkers.presets import CLOTHES, PRESETS, TINY, WILD
from gaitlab.walkers.sensors.observe import MODALITIES
from gaitlab.walkers.source import CONDITIONS, WalkersSource

SMALL = WalkersSource(train_subjects=3, validation_subjects=2, test_subjects=4, views=(0, 90), frames=(20, 24))
FEW = {"train_subjects": 2, "validation_subjects": 1, "test_subjects": 2}


def digest(source: SourceConfig, walk: Walk) -> str:
    frames = source.load(walk)
    return hashlib.sha256(b"".join(frames[m].tobytes() for m in sorted(frames))).hexdigest()


def gei(source: WalkersSource, walks: list[Walk]) -> np.ndarray:
    return np.stack([source.load(walk)["silhouette"].mean(0).ravel() / 255 for walk in walks])


def test_walks_are_listed_once_with_disjoint_splits() -> None:
    walks = SMALL.walks()
    assert len(walks) == 9 * 2 * (2 + 7) * 2
    assert len({walk.key for walk in walks}) == len(walks)
    subjects = {split: {w.subject for w in walks if w.split == split} for split in ("train", "validation", "test")}
    assert {split: len(names) for split, names in subjects.items()} == {"train": 3, "validation": 2, "test": 4}
    assert len(set.union(*subjects.values())) == 9
    assert {w.conditions for w in walks} == {(), *((c,) for c in CONDITIONS[1:])}
    both = replace(SMALL, conditions=("normal", "night+bag"))
    assert {w.conditions for w in both.walks()} == {(), ("bag", "night")}


def test_all_sensors_see_the_same_instants() -> None:
    for walk in SMALL.walks()[::31]:
        frames = SMALL.load(walk)
        assert {m: (f.dtype, f.shape[1:]) for m, f in frames.items()} == {
            "silhouette": (np.uint8, (64, 64)),
            "range": (np.uint8, (64, 64)),
            "joints": (np.uint8, (3, 17, 2)),
        }
        assert len({len(f) for f in frames.values()}) == 1
        assert 15 <= len(frames["range"]) <= 24
        assert set(np.unique(frames["silhouette"])) <= {0, 255}


def test_camera_and_lidar_see_the_same_person_from_nearly_the_same_place() -> None:
    clean = replace(SMALL, segmentation_noise=0.0, conditions=("normal",))
    walks = clean.walks()[:24:5]
    shapes = [clean.load(walk) for walk in walks]

    def overlap(a: np.ndarray, b: np.ndarray) -> float:
        n = min(len(a), len(b))
        return float(((a[:n] > 0) & (b[:n] > 0)).sum() / ((a[:n] > 0) | (b[:n] > 0)).sum())

    own = [overlap(s["silhouette"], s["range"]) for s in shapes]
    other = [overlap(shapes[i]["silhouette"], shapes[(i + 1) % len(shapes)]["range"]) for i in range(len(shapes))]
    assert min(own) > 0.7
    assert np.mean(own) > np.mean(other) + 0.1


def test_a_modality_does_not_depend_on_the_others() -> None:
    for walk in (SMALL.walks()[3], next(w for w in SMALL.walks() if w.conditions == ("occlusion",))):
        whole = SMALL.load(walk)
        for modality in MODALITIES:
            alone = replace(SMALL, modalities=(modality,)).load(walk)
            assert set(alone) == {modality}
            assert (alone[modality] == whole[modality]).all()


def some(source: SourceConfig) -> list[Walk]:
    """A walk of each condition."""
    first: dict[tuple[str, ...], Walk] = {}
    for walk in source.walks():
        first.setdefault(walk.conditions, walk)
    return list(first.values())


def test_a_walk_depends_on_its_name_alone_and_not_on_the_processor() -> None:
    walks = some(SMALL)
    here = [digest(SMALL, walk) for walk in walks]
    event.cache_clear()
    grown = replace(SMALL, train_subjects=50, test_subjects=9, takes=3, views=(0, 45, 90))
    assert [digest(grown, walk) for walk in reversed(walks)] == here[::-1]
    code = (
        "from tests.walkers.test_walkers import SMALL, digest, some\n"
        "print([digest(SMALL, walk) for walk in some(SMALL)])\n"
    )  # fmt: skip
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_DISABLE_INTEL_SVML": "1"}
    plain |= {"NPY_DISABLE_CPU_FEATURES": " ".join(disabled()), "OPENCV_IPP": "disabled", "OPENCV_CPU_DISABLE": "AVX2,AVX512-SKX,AVX,FP16"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | plain, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(here)


def disabled() -> list[str]:
    """numpy's dispatched instruction sets that this processor has."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return [name for name in __cpu_dispatch__ if __cpu_features__[name]]


def test_source_survives_json_and_its_checksum_follows_its_fields() -> None:
    for source in (SMALL, *PRESETS.values()):
        assert from_dict(json.loads(json.dumps(to_dict(source))), SourceConfig) == source
        assert source.checksum() == replace(source).checksum()
    other = [SMALL, replace(SMALL, seed=1), replace(SMALL, views=(0,)), replace(SMALL, modalities=("range",)), CLOTHES, WILD]
    assert len({source.checksum() for source in other}) == len(other)


def test_all_cameras_see_one_walk() -> None:
    walks = [w for w in SMALL.walks() if w.subject == "test00001" and w.session == "1" and not w.conditions]
    assert SMALL.event(walks[0]) is SMALL.event(walks[1])
    assert walks[0].view != walks[1].view
    one, other = (SMALL.event(walk).joints for walk in (walks[0], walks[2]))
    assert one.shape != other.shape or (one != other).any()


def test_conditions_show() -> None:
    clean = replace(SMALL, segmentation_noise=0.0, views=(90,), frames=(30, 30))
    area: dict[tuple[str, ...], list[float]] = {}
    for walk in clean.walks():
        area.setdefault(walk.conditions, []).append(float((clean.load(walk)["range"] > 0).mean()))
    assert np.mean(area["clothing",]) > 1.1 * np.mean(area[()])
    assert np.mean(area["uniform",]) > 1.05 * np.mean(area[()])
    night, plain = (replace(SMALL, conditions=(c,), views=(90,)) for c in ("night", "normal"))

    def roughness(source: WalkersSource, modality: str) -> float:
        frames = np.concatenate([source.load(walk)[modality] for walk in source.walks()[:12]]) > 0
        return float((frames[:, 1:] != frames[:, :-1]).mean() / frames.mean())

    assert roughness(night, "silhouette") > 1.1 * roughness(plain, "silhouette")
    assert roughness(night, "range") == pytest.approx(roughness(plain, "range"), rel=0.1)  # a LiDAR brings its own light


def test_identity_is_in_the_silhouettes_and_fades_with_day_coat_and_view() -> None:
    source = WalkersSource(
        train_subjects=0,
        validation_subjects=0,
        test_subjects=16,
        views=(36, 90),
        conditions=("normal", "clothing"),
        modalities=("silhouette",),
    )
    walks = list(source.walks())
    energy = gei(source, walks)
    subject, session, take, view = (np.array([getattr(w, name) for w in walks]) for name in ("subject", "session", "take", "view"))
    coat = np.array([w.conditions == ("clothing",) for w in walks])

    def rank1(probe: np.ndarray, gallery: np.ndarray) -> float:
        distance = np.square(energy[probe][:, None] - energy[gallery][None]).sum(-1)
        return float((subject[gallery][distance.argmin(1)] == subject[probe]).mean())

    side, oblique, first = view == "090", view == "036", (session == "1") & ~coat
    same_day = rank1(first & side & (take == "2"), first & side & (take == "1"))
    next_day = rank1((session == "2") & ~coat & side, first & side)
    across = rank1((session == "2") & ~coat & oblique, first & side)
    in_coat = rank1((session == "2") & coat & side, first & side)
    assert same_day > 0.7
    assert 0.25 < next_day < 0.95
    assert next_day > max(across, in_coat)


def test_every_preset_fits_its_protocol() -> None:
    for name, protocol in (
        ("walkers-tiny", "walkers"), ("walkers", "walkers"), ("walkers-standard", "walkers"), ("walkers-large", "walkers-open"),
        ("walkers-cc", "walkers-cc"), ("walkers-wild", "walkers-wild"),
    ):  # fmt: skip
        source = replace(PRESETS[name], train_subjects=0, validation_subjects=0, test_subjects=12)
        columns = ("key", "subject", "session", "conditions", "view", "take", "split", "role")
        index = pd.DataFrame([{column: getattr(walk, column) for column in columns} for walk in source.walks()])
        chosen = select(index, PROTOCOLS[protocol])
        assert len(chosen.gallery) > 0
        assert all(member.any() for member in chosen.members.values())


def test_the_wild_has_any_view_length_and_condition() -> None:
    wild = replace(WILD, **FEW, walks_per_subject=12)
    walks = [w for w in wild.walks() if w.split == "test"]
    assert [sum(w.role == "probe" and w.subject == s for w in walks) for s in ("test00001", "test00002")] == [1, 1]
    angles = [wild.station(w).camera.azimuth for w in wild.walks()]
    assert min(angles) < 60
    assert max(angles) > 300
    lengths = [len(wild.load(w)["silhouette"]) for w in walks[:8]]
    assert max(lengths) > 1.5 * min(lengths)
    assert len({w.conditions for w in wild.walks()}) > 8
    same = [wild.station(w).camera for w in wild.walks() if w.view == wild.walks()[0].view]
    assert len({(c.elevation, c.distance) for c in same}) == 1


def test_shards_of_all_sensors_are_written_and_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    store = ingest(replace(TINY, train_subjects=1, validation_subjects=0, test_subjects=0), tmp_path / "shards", progress=False)
    assert store.modalities == sorted(MODALITIES)
    assert (store.index["silhouette_frames"] == store.index["joints_frames"]).all()
    row = store.index.iloc[5]
    walk = next(w for w in TINY.walks() if w.key == row["key"])
    for modality, frames in TINY.load(walk).items():
        assert (store.frames(modality).walk(5).reshape(frames.shape) == frames).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conditions": ("normal", "umbrela")}, "not 'umbrela'"),
        ({"conditions": ("normal", "upper")}, "not 'upper'"),
        ({"train_subjects": 0, "validation_subjects": 0, "test_subjects": 0}, "no identities"),
        ({"test_subjects": -1}, "test_subjects is 0 or more; it is -1"),
        ({"frames": (30, 20)}, "the fewest and the most"),
        ({"frames": (1, 1)}, "2 or more"),
        ({"views": ()}, "at least one"),
        ({"views": (0, 0)}, "only once"),
        ({"views": (0, 400)}, "0 to 359"),
        ({"conditions": ("bag+night", "night+bag")}, "only once"),
        ({"modalities": ("silhouette", "depth")}, "modalities are some of"),
        ({"fps": 0.0}, "fps is above 0"),
        ({"fps": 0.1}, "24 frames at 0.1 fps walk into the sensors"),
        ({"frames": (30, 400)}, "400 frames at 25 fps walk into the sensors; set frames for 6 s or less"),
        ({"segmentation_noise": 1000.0}, "segmentation_noise is 0 to 10; it is 1000"),
        ({"fps": float("inf")}, "fps"),
        ({"segmentation_noise": float("nan")}, "segmentation_noise"),
    ],
)
def test_impossible_sources_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)


def test_impossible_wild_sources_are_refused() -> None:
    with pytest.raises(ValueError, match="walks_per_subject"):
        replace(WILD, walks_per_subject=1)
