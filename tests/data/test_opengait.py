"""Raw trees as the field passes them around: names, partitions, masks, and what is wrong with them."""

import collections
import gzip
import json
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gaitlab.data.frames import align
from gaitlab.data.ingest import ingest
from gaitlab.data.sheet import SHEET
from gaitlab.data.sources.datasets import LAYOUTS, layout
from gaitlab.data.sources.folders import FrameFolders
from gaitlab.data.sources.opengait import OpenGaitSource, pick
from gaitlab.data.sources.partition import read_partition
from tests.conftest import SHARED
from tests.data.raw import casia, partition, put, silhouettes

ROWS = SHARED / "peer" / "goldens" / "open" / "eval"


def test_a_casia_b_tree_becomes_shards(tmp_path: Path) -> None:
    root = casia(tmp_path / "raw")
    (root / ".DS_Store").touch()
    sets = partition(tmp_path / "p.json", ["001", "002"], ["003", "004"])
    source = OpenGaitSource(root=str(root), layout="casia-b", partition=sets)
    store = ingest(source, tmp_path / "out", progress=False)
    index = store.index.set_index("source")
    assert len(index) == 24
    assert dict(index.groupby("split")["subject"].unique().map(list)) == {"train": ["001", "002"], "test": ["003", "004"]}
    assert set(index["dataset"]) == {"casia-b"}
    row = index.loc["003/bg-02/090"]
    assert (row["subject"], row["session"], row["conditions"], row["take"], row["view"]) == ("003", "", ("bag",), "02", "090")
    assert np.array_equal(store.frames("silhouette").walk(0)[:, 0], silhouettes(seed=1))


def test_validation_ids_are_drawn_from_the_training_ids(tmp_path: Path) -> None:
    root = casia(tmp_path / "raw")
    sets = partition(tmp_path / "p.json", ["001", "002", "003"], ["004"])
    drawn: list[set[str]] = []
    for seed in (0, 0, 1, 2, 3, 4):
        walks = OpenGaitSource(root=str(root), layout="casia-b", partition=sets, validation=1, seed=seed).walks()
        drawn.append({walk.subject for walk in walks if walk.split == "validation"})
    assert drawn[0] == drawn[1]
    assert all(len(ids) == 1 and ids <= {"001", "002", "003"} for ids in drawn)
    assert len(set.union(*drawn)) > 1
    with pytest.raises(ValueError, match="--validation is 4; there are 3 training ids"):
        OpenGaitSource(root=str(root), layout="casia-b", partition=sets, validation=4).walks()


@pytest.mark.parametrize(
    ("name", "walk", "expected"),
    [
        ("casia-b", "nm-05/000", {"conditions": (), "take": "05", "view": "000"}),
        ("casia-b", "cl-02/180", {"conditions": ("clothing",), "take": "02", "view": "180"}),
        ("oumvlp", "01/270", {"session": "01", "conditions": (), "view": "270"}),
        ("casia-e", "H-scene3_s-bg-2/270", {"session": "H-scene3_s", "conditions": ("bag",), "take": "2", "view": "270"}),
        ("grew", "03/abc_12", {"session": "03", "conditions": (), "take": "abc_12"}),
        ("gait3d", "camid0_videoid2/seq0", {"session": "camid0_videoid2", "conditions": (), "view": "seq0"}),
        ("sustech1k", "00-nm/045", {"session": "00", "conditions": (), "view": "045"}),
        ("sustech1k", "02-bg-nt/090-far", {"session": "02", "conditions": ("bag", "night"), "view": "090-far"}),
        ("ccpg", "U0_D0_BG/06_1", {"session": "U0_D0", "conditions": ("bag",), "view": "06", "take": "1"}),
        ("ccpg", "U3_D3/00_2", {"session": "U3_D3", "conditions": (), "view": "00", "take": "2"}),
        ("ccgr-mini", "BGCRCLCV1/112_5_1.avi", {"session": "BGCRCLCV1", "conditions": (), "view": "112_5_1.avi"}),
        ("freegait", "devid_3/seq_02_new", {"session": "devid_3", "conditions": (), "view": "seq_02_new"}),
        ("hid", "00000001/default", {"session": "00000001", "conditions": (), "view": "default"}),
        ("real-scene-1000", "6/default", {"session": "6", "conditions": (), "view": "default"}),
        ("ttg-200", "2/3", {"session": "2", "conditions": (), "view": "3"}),
        ("scoliosis1k", "neutral/000_180", {"conditions": ("neutral",), "view": "000_180"}),
    ],
)
def test_folder_names_become_canonical(name: str, walk: str, expected: dict[str, Any]) -> None:
    assert layout(name).parse(*walk.split("/")) == expected


@pytest.mark.skipif(not ROWS.exists(), reason="needs ../shared/peer/goldens")
def test_every_name_of_the_golden_rows_is_understood() -> None:
    """Types and views as they are on disk; no two walks of a subject may fall together."""
    for name in LAYOUTS.keys() - {"plain", "ccgr"}:
        stem = "scoliosis" if name == "scoliosis1k" else name.replace("-", "")
        rows = json.loads(gzip.decompress((ROWS / f"{stem}.rows.json.gz").read_bytes()))
        keys = collections.Counter[Any]()
        originals = set(zip(rows["labels"], rows["types"], rows["views"], strict=True))
        for subject, type_name, view in originals:
            keys[subject, tuple(sorted(layout(name).parse(type_name, view).items()))] += 1
        assert len(keys) == len(originals), name


def test_unknown_names_say_so() -> None:
    with pytest.raises(ValueError, match="did you mean 'casia-b'"):
        layout("casiab")
    with pytest.raises(ValueError, match="TYPE folder 'xx-01' is not named as in casia-b"):
        layout("casia-b").parse("xx-01", "000")
    with pytest.raises(ValueError, match="unknown condition 'zz'"):
        layout("sustech1k").parse("01-zz", "000")


def test_badly_named_folders_are_listed(tmp_path: Path) -> None:
    root = casia(tmp_path / "raw")
    put(root, "001/xx/000", silhouettes())
    (root / "002/nm-01/018").mkdir()
    with pytest.raises(ValueError, match="2 walks cannot be used") as caught:
        OpenGaitSource(root=str(root), layout="casia-b").walks()
    assert "001/xx/000: TYPE folder 'xx'" in str(caught.value)
    assert "002/nm-01/018: the folder is empty" in str(caught.value)


def test_sixteen_files_by_index(tmp_path: Path) -> None:
    depth = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)
    for i in range(16):
        content = depth if i == 1 else silhouettes(seed=3) if i == 6 else np.zeros((6, 2), np.float32)
        put(tmp_path, "0001/01-bg-nt/090-far", content, f"{i:02d}-something.pkl")
    source = OpenGaitSource(root=str(tmp_path), layout="sustech1k")
    (walk,) = source.walks()
    loaded = source.load(walk)
    assert loaded.keys() == {"silhouette", "depth"}
    assert np.array_equal(loaded["silhouette"], silhouettes(seed=3))
    assert np.array_equal(loaded["depth"], depth.transpose(0, 3, 1, 2))
    (tmp_path / "0001/01-bg-nt/090-far/06-something.pkl").unlink()
    with pytest.raises(ValueError, match=r"no file for silhouette=6 among 00-something.pkl"):
        source.walks()
    (other,) = OpenGaitSource(root=str(tmp_path), layout="sustech1k", use=("depth=1",)).walks()
    assert other.files.keys() == {"depth"}
    with pytest.raises(ValueError, match="--use takes"):
        OpenGaitSource(root=str(tmp_path), layout="sustech1k", use=("depth",)).walks()


def test_which_file_is_meant() -> None:
    assert pick(["090-aligned-sils.pkl", "090-ratios.pkl"], 0) == "090-aligned-sils.pkl"
    assert pick(["a.pkl", "b.pkl"], 1) == "b.pkl"
    assert pick(["a.pkl"], 1) == ""
    assert pick(["01-x.pkl", "06-y.pkl"], 6) == "06-y.pkl"
    assert pick(["x.pkl", "sils-1.pkl"], "sils*") == "sils-1.pkl"


def test_roles_come_from_the_partition(tmp_path: Path) -> None:
    for subject in ("0001", "0002"):
        for video in ("camid0_videoid1", "camid3_videoid2"):
            put(tmp_path / "raw", f"{subject}/{video}/seq0", silhouettes())
    sets = partition(tmp_path / "p.json", [], ["0001", "0002"], PROBE_SET=["0001-camid0_videoid1-seq0"])
    walks = OpenGaitSource(root=str(tmp_path / "raw"), layout="gait3d", partition=sets).walks()
    assert {walk.source: walk.role for walk in walks if walk.role} == {"0001/camid0_videoid1/seq0": "probe"}
    sets = partition(tmp_path / "p.json", ["0001"], ["0002"], PROBE_SET=["0001-camid0_videoid1-seq0"])
    with pytest.raises(ValueError, match="0001/camid0_videoid1/seq0: is probe in the partition, and its id is for training"):
        OpenGaitSource(root=str(tmp_path / "raw"), layout="gait3d", partition=sets).walks()
    sets = partition(tmp_path / "p.json", [], ["0001", "0002"], GALLERY_SET=["0001-camid0_videoid1-seq9"])
    with pytest.raises(ValueError, match=r"names 1 walks without a walk in .*: 0001-camid0_videoid1-seq9"):
        OpenGaitSource(root=str(tmp_path / "raw"), layout="gait3d", partition=sets).walks()


def test_the_anonymous_probe_of_grew(tmp_path: Path) -> None:
    for walk in ("00001train/00/v1", "00001/01/v2", "00001/02/v3", "probe/03/v4"):
        put(tmp_path / "raw", walk, silhouettes())
    sets = partition(tmp_path / "p.json", ["00001train"], ["00001", "probe"])
    walks = OpenGaitSource(root=str(tmp_path / "raw"), layout="grew", partition=sets).walks()
    assert {(w.subject, w.split, w.role, w.take) for w in walks} == {
        ("00001train", "train", "", "v1"),
        ("00001", "test", "", "v2"),
        ("00001", "test", "", "v3"),
        ("probe", "test", "probe", "v4"),
    }


def test_missing_ids_are_listed_and_may_be_allowed(tmp_path: Path) -> None:
    root = casia(tmp_path / "raw")
    (root / "005").mkdir()
    sets = partition(tmp_path / "p.json", ["001", "005"], ["003", "100", "101"])
    with pytest.raises(ValueError, match=r"names 3 ids without a walk in .*: 005, 100, 101; --allow-missing"):
        OpenGaitSource(root=str(root), layout="casia-b", partition=sets).walks()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        walks = OpenGaitSource(root=str(root), layout="casia-b", partition=sets, allow_missing=True).walks()
    assert {walk.subject for walk in walks} == {"001", "003"}
    said = [str(warning.message) for warning in caught]
    assert any("3 ids without a walk" in text for text in said)
    assert any("2 ids of" in text and "neither set" in text for text in said)


def test_what_systems_leave_among_data_is_passed_over(tmp_path: Path) -> None:
    root = casia(tmp_path / "raw")
    for name in (
        "lost+found",
        "$RECYCLE.BIN",
        "__MACOSX/001/nm-01",
        "@eaDir/x",
        "001/@eaDir",
        "001/nm-01/@eaDir/y",
        "001/nm-01/000/@eaDir",
    ):
        (root / name).mkdir(parents=True)
    walks = OpenGaitSource(root=str(root), layout="casia-b", test_ids=2).walks()
    assert {(walk.subject, walk.split) for walk in walks} == {("001", "train"), ("002", "train"), ("003", "test"), ("004", "test")}
    assert len(walks) == 24


def test_test_ids_are_the_last_that_have_walks_counted_as_people_count(tmp_path: Path) -> None:
    for subject in (1, 2, 9, 10):
        put(tmp_path, f"{subject}/a/b", silhouettes())
    (tmp_path / "11").mkdir()
    source = OpenGaitSource(root=str(tmp_path), test_ids=2, allow_missing=True)
    with pytest.warns(UserWarning, match="1 ids without a walk"):
        assert {walk.subject for walk in source.walks() if walk.split == "test"} == {"9", "10"}
    with pytest.raises(ValueError, match="--test-ids is 5; there are 4 ids with walks"):
        OpenGaitSource(root=str(tmp_path), test_ids=5).walks()


def test_a_root_at_the_wrong_level_says_so_in_one_line(tmp_path: Path) -> None:
    casia(tmp_path / "top" / "sils")
    with pytest.raises(ValueError, match=r"holds folders, no files: --root is one level too high, give .*sils \(and 11 more") as caught:
        OpenGaitSource(root=str(tmp_path / "top"), layout="casia-b").walks()
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"--root is one level too high, give .*sils"):  # and not that there are too few ids
        OpenGaitSource(root=str(tmp_path / "top"), layout="casia-b", test_ids=2).walks()
    with pytest.raises(ValueError, match="is --root one level too low"):
        OpenGaitSource(root=str(tmp_path / "top" / "sils" / "001"), layout="casia-b").walks()


def test_one_person_under_two_ids(tmp_path: Path) -> None:
    root = casia(tmp_path / "raw")
    put(root, "1/nm-01/000", silhouettes())
    with pytest.warns(UserWarning, match="look alike are taken for several people: '001', '1'"):
        OpenGaitSource(root=str(root), layout="casia-b").walks()
    (root / "005").symlink_to(root / "001")
    with pytest.raises(ValueError, match="005: is a link to 001; one person would be two"):
        OpenGaitSource(root=str(root), layout="casia-b").walks()


def test_names_from_a_mac_are_the_partitions(tmp_path: Path) -> None:
    put(tmp_path / "raw", unicodedata.normalize("NFD", "José/nm-01/000"), silhouettes())
    sets = partition(tmp_path / "p.json", ["José"], [])
    (walk,) = OpenGaitSource(root=str(tmp_path / "raw"), layout="casia-b", partition=sets).walks()
    assert walk.subject == "José"
    put(tmp_path / "raw", "José/nm-01/000", silhouettes())
    with pytest.raises(ValueError, match="in two forms of Unicode"):
        OpenGaitSource(root=str(tmp_path / "raw"), layout="casia-b", partition=sets).walks()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_partitions_as_windows_saves_them(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "p.json").write_text(json.dumps({"TRAIN_SET": ["é"], "TEST_SET": [2]}), encoding)
    assert read_partition(tmp_path / "p.json").splits == {"é": "train", "2": "test"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ('{"TRAIN_SET": []}', "has no TEST_SET"),
        ('{"TRAIN_SET": ["1", "2"], "TEST_SET": ["2"]}', "2 in both TRAIN_SET and TEST_SET"),
        ('{"TRAIN_SET": ["1"], "TRAIN_SET": ["2"], "TEST_SET": []}', "TRAIN_SET is there twice"),
        ("[" * 100_000, "is not a JSON object"),
        ("<!doctype html>", "is a web page"),
    ],
)
def test_broken_partitions(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(ValueError, match=says):
        read_partition(tmp_path / "p.json")
    with pytest.raises(ValueError, match="cannot be read"):
        read_partition(tmp_path / "none.json")


def test_missing_and_empty_roots(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        OpenGaitSource(root=str(tmp_path / "none")).walks()
    with pytest.raises(ValueError, match="has no folders"):
        OpenGaitSource(root=str(tmp_path)).walks()
    (tmp_path / "001" / "nm-01").mkdir(parents=True)
    with pytest.raises(ValueError, match="has no walk ID"):
        OpenGaitSource(root=str(tmp_path)).walks()


def test_checksum_follows_the_files(tmp_path: Path) -> None:
    root = casia(tmp_path / "raw")
    source = OpenGaitSource(root=str(root), layout="casia-b")
    before = source.checksum()
    assert source.checksum() == before
    put(root, "001/nm-01/000", silhouettes(7), "000.pkl")
    assert source.checksum() != before


def test_raw_masks_are_cropped_and_centred(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "raw" / "anna" / "day1" / "cam2"
    folder.mkdir(parents=True)
    raw = []
    for i in range(1, 13):  # sizes differ; frame 12 is empty, and 10 comes after 9
        frame = np.zeros((int(rng.integers(120, 200)), 160), np.uint8)
        if i < 12:
            cv2.ellipse(frame, (70 + i, 60), (20, 50), 0, 0, 360, 1, -1)
        raw.append(frame * np.uint8(255))
        cv2.imwrite(str(folder / f"{i}.png"), frame)
    cv2.imwrite(str(folder / "gei.png"), np.full((64, 64), 255, np.uint8))
    source = FrameFolders(root=str(tmp_path / "raw"), name="mine")
    with pytest.warns(UserWarning, match=r"0 and 1 are read as 0 and 255 \(1 walks\)"):
        store = ingest(source, tmp_path / "out", progress=False)
    assert store.manifest["source"]["said"] == {"silhouettes of 0 and 1 are read as 0 and 255": 1}
    assert cv2.imread(str(store.root / SHEET)).shape == (172, 979, 3)
    expected = np.stack([aligned for mask in raw if (aligned := align(mask)) is not None])
    assert np.array_equal(store.frames("silhouette").walk(0)[:, 0], expected)
    assert store.index.iloc[0]["subject"] == "anna"
    assert store.index.iloc[0][["session", "view", "split"]].tolist() == ["day1", "cam2", "train"]
    big = FrameFolders(root=str(tmp_path / "raw"), size=128, interpolation="area", test_ids=1)
    (walk,) = big.walks()
    assert (walk.split, big.load(walk)["silhouette"].shape) == ("test", (11, 128, 128))
    assert source.checksum() == FrameFolders(root=str(tmp_path / "raw"), name="mine").checksum()


def test_bad_masks(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / "a" / "b" / "c"
    folder.mkdir(parents=True)
    source = FrameFolders(root=str(tmp_path / "raw"))
    with pytest.raises(ValueError, match="a/b/c: the folder is empty"):
        source.walks()
    (folder / "notes.txt").touch()
    with pytest.raises(ValueError, match="has no image"):
        source.walks()
    cv2.imwrite(str(folder / "1.png"), np.zeros((64, 64), np.uint8))
    with pytest.raises(ValueError, match="none of its 1 frames shows anybody"):
        source.load(source.walks()[0])
    (folder / "2.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"2.png: is no image"):
        source.load(source.walks()[0])


def test_a_partition_names_ids_in_lists(tmp_path: Path) -> None:
    for wrong in ("001", {"001": 1}, [["001"]], None, [1.5], [True]):
        (tmp_path / "p.json").write_text(json.dumps({"TRAIN_SET": wrong, "TEST_SET": []}))
        with pytest.raises(ValueError, match="TRAIN_SET is no list of names"):
            read_partition(tmp_path / "p.json")


def test_ids_that_no_partition_names_are_shown(tmp_path: Path) -> None:
    sets = partition(tmp_path / "p.json", ["1", "2"], ["3"])
    with pytest.raises(ValueError, match="its ids are 001, 002, 003 and 1 more, the partition names 1, 2, 3"):
        OpenGaitSource(root=str(casia(tmp_path / "raw")), layout="casia-b", partition=sets).walks()


def test_a_link_to_nothing_is_not_passed_over(tmp_path: Path) -> None:
    root = casia(tmp_path / "raw")
    (root / "001" / "nm-01" / "180").symlink_to(tmp_path / "unmounted")
    with pytest.raises(ValueError, match=r"001/nm-01/180 is a link to .*unmounted"):
        OpenGaitSource(root=str(root), layout="casia-b").walks()


def test_wrong_settings_are_said_once(tmp_path: Path) -> None:
    root = casia(tmp_path / "raw")
    for source, says in (
        (OpenGaitSource(root=str(root), layout="casia-b", use=("sil",)), "--use takes"),
        (OpenGaitSource(root=str(root / "001/nm-01/000/000.pkl")), "000.pkl is no folder"),
    ):
        with pytest.raises(ValueError, match=says) as caught:
            source.walks()
        assert "\n" not in str(caught.value)


def test_a_frame_has_some_pixels() -> None:
    with pytest.raises(ValueError, match=r"FrameFolders\.size is 8 or more; it is 2"):
        FrameFolders(root="raw", layout="casia-b", size=2)


def test_a_warning_comes_once(tmp_path: Path) -> None:
    sets = partition(tmp_path / "p.json", ["001", "990"], ["002"])
    source = OpenGaitSource(root=str(casia(tmp_path / "raw")), layout="casia-b", partition=sets, allow_missing=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ingest(source, tmp_path / "set", progress=False)
    missing, ignored = (str(warning.message) for warning in caught)
    assert "1 ids without a walk" in missing
    assert "2 ids of" in ignored
