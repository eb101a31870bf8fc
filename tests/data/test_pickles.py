"""Array files from strangers: what is read of them, what they are taken for, and what is refused."""

import collections
import gzip
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gaitlab.data.sources.opengait import OpenGaitSource, as_frames, as_silhouettes
from gaitlab.data.sources.pickles import read_array
from tests.data.raw import put, silhouettes


class Payload:
    """What a pickle from a stranger may hold."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (f"{sys.argv[0]}-owned",))


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_pickle_protocol(tmp_path: Path, protocol: int) -> None:
    for array in (silhouettes(), np.asfortranarray(silhouettes()), silhouettes()[::2]):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(array, protocol))
        assert np.array_equal(read_array(tmp_path / "a.pkl"), array)


def test_arrays_pickled_by_older_numpy(tmp_path: Path) -> None:
    """Its modules had other names."""
    content = pickle.dumps(silhouettes(), 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (tmp_path / "a.pkl").write_bytes(content)
    assert np.array_equal(read_array(tmp_path / "a.pkl"), silhouettes())


def test_npy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", silhouettes())
    assert np.array_equal(read_array(tmp_path / "a.npy"), silhouettes())
    np.save(tmp_path / "b.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"b.npy: damaged"):
        read_array(tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Payload(), "refused, the pickle asks for .*mkdir; only numpy arrays"),
        (collections.OrderedDict(), "refused, the pickle asks for collections.OrderedDict"),
        ({"frames": silhouettes()}, "holds a dict, not an array"),
        ([silhouettes()[0], silhouettes(size=32)[0]], r"frames of unequal size \(32x32, 64x64\)"),
        (np.array([silhouettes()[0], silhouettes(size=32)[0]], object), "frames of unequal size"),
        (np.array([{}], object), "holds a object array"),
        (3, "holds a int"),
        ([[1, 2], [3, 4]], "holds a list, not an array"),
        ([silhouettes(), silhouettes() / 255], r"frames of several kinds \(float64, uint8\)"),
        (np.array(["a"]), "holds an array of 'U1'"),
    ],
)
def test_anything_but_an_array_is_refused(tmp_path: Path, value: Any, says: str) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(ValueError, match=f"a.pkl: {says}") as caught:
        read_array(tmp_path / "a.pkl")
    assert "\n" not in str(caught.value)
    assert not Path(f"{sys.argv[0]}-owned").exists()


def test_a_list_of_equal_frames_is_stacked(tmp_path: Path) -> None:
    for value in (list(silhouettes()), tuple(silhouettes())):
        (tmp_path / "a.PKL").write_bytes(pickle.dumps(value))
        assert np.array_equal(read_array(tmp_path / "a.PKL"), silhouettes())


def test_what_is_no_pickle_at_all_says_what_it_is(tmp_path: Path) -> None:
    for content, says in (
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "is a pointer of Git LFS: git lfs pull"),
        (gzip.compress(pickle.dumps(silhouettes())), "is compressed by gzip"),
    ):
        (tmp_path / "a.pkl").write_bytes(content)
        with pytest.raises(ValueError, match=f"a.pkl: {says}"):
            read_array(tmp_path / "a.pkl")


def test_a_pickle_never_takes_more_memory_than_its_bytes(tmp_path: Path) -> None:
    """numpy's own unpickling would set aside what a shape asks for, before it looks whether the bytes are there."""
    for length, dtype in ((2**40, "u1"), (2**33, "O")):
        content = pickle.dumps(np.zeros(3, dtype), 2)
        (tmp_path / "a.pkl").write_bytes(content.replace(b"K\x03\x85", pickle.dumps(length, 2)[2:-1] + b"\x85"))
        with pytest.raises(ValueError, match=r"a.pkl: (damaged|holds a object)"):
            read_array(tmp_path / "a.pkl")
    (tmp_path / "b.pkl").write_bytes(pickle.dumps([np.zeros((2**20, 64), np.uint8)] * 33, 4))
    with pytest.raises(ValueError, match="names more than 2 GB of frames"):
        read_array(tmp_path / "b.pkl")
    for head in (b"\x80\x05", b"\x80\x05\x95\x20\x00\x00\x00\x00\x00\x00\x00"):  # without and within a frame
        (tmp_path / "c.pkl").write_bytes(head + b"\x96" + (2**36).to_bytes(8, "little") + bytes(64))
        with pytest.raises(ValueError, match=r"damaged \(UnpicklingError: pickle data was truncated"):
            read_array(tmp_path / "c.pkl")
    place = tmp_path / "place.pkl"
    place.write_bytes(b"\x80\x04K\x01r\xff\xff\xff\x7fN.")  # remembered as object number 2,147,483,647
    with pytest.raises(ValueError, match="holds a NoneType"):
        read_array(place)


def test_every_cut_of_a_pickle_is_one_clear_error(tmp_path: Path) -> None:
    content = pickle.dumps(silhouettes(2))
    for length in [0, 1, 5, 20, 60, 100, 140, len(content) // 2, len(content) - 1]:
        (tmp_path / "a.pkl").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"a.pkl: damaged"):
            read_array(tmp_path / "a.pkl")


def test_what_frames_may_look_like() -> None:
    frames = silhouettes()
    assert as_frames(frames > 0, "silhouette", "x").max() == 255
    for low, high in ((0, 1), (0, 2), (0, 38), (3, 200)):
        with pytest.warns(UserWarning, match=f"{low} and {high} are read as 0 and 255"):
            read = as_silhouettes(np.where(frames > 127, high, low).astype(np.uint8), "x")
        assert np.array_equal(read, (frames > 127) * np.uint8(255))
    assert as_frames(np.zeros((5, 64, 64, 3), np.uint8), "depth", "x").shape == (5, 3, 64, 64)
    assert as_frames(np.zeros((5, 2, 64, 64), np.uint8), "skeleton", "x").shape == (5, 2, 64, 64)
    for wrong, says in (
        (frames / 255, "pixels are float64"),
        (frames.astype(np.int32), "pixels are int32"),
        (frames[0], "is neither"),
        (np.zeros((5, 64, 64, 9), np.uint8), "is neither"),
        (frames[:0], "is empty"),
    ):
        with pytest.raises(ValueError, match=f"x: .*{says}"):
            as_frames(wrong, "silhouette", "x")


def test_silhouettes_of_other_axes_and_channels() -> None:
    frames = silhouettes()
    assert np.array_equal(as_silhouettes(np.repeat(frames[..., None], 3, 3), "x"), frames), "grey that was saved as colour"
    assert np.array_equal(as_silhouettes(255 - frames, "x", invert=True), frames)
    labels = np.where(frames > 127, 15, 0).astype(np.uint8)
    labels[:, :3, :3] = 255
    assert np.array_equal(as_silhouettes(labels, "x", person=("15",)), (frames > 127) * np.uint8(255))
    tall = silhouettes()[:, :, 10:54]
    for wrong, says in (
        (255 - frames, "is the person dark on bright\\? --invert"),
        (labels, "say which of 0, 15, 255 are the person, e.g. --label 15"),
        (frames // 20, "values below 128 only"),
        (frames * 0, "none of its 6 frames shows anybody"),
        (np.moveaxis(frames, 0, -1), "MATLAB's order: --frames-last"),
        (np.moveaxis(tall, 0, -1), "MATLAB's order: --frames-last"),
        (frames.transpose(0, 2, 1), "lie on their side"),
        (np.stack([frames, frames, frames // 2], 1), "one channel; these have 3 that differ"),
    ):
        with pytest.raises(ValueError, match=f"x: .*{says}"):
            as_silhouettes(wrong, "x")


def test_frames_last_is_matlabs_order(tmp_path: Path) -> None:
    put(tmp_path, "1/a/b", np.moveaxis(silhouettes(), 0, -1))
    source = OpenGaitSource(root=str(tmp_path), frames_last=True)
    assert np.array_equal(source.load(source.walks()[0])["silhouette"], silhouettes())
