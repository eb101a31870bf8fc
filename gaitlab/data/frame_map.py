"""All frames of one modality as a node-local memory map: built once, and each block of it verified before its first use.

A folder: `data.bin` has one row of bytes a frame; `sums.npy` a CRC-32 of every block of rows, about 64 KiB; `offsets.npy` where walks
begin; `meta.json` shape, coding, and the CRC-32 of the two. A block is read from the disk anyway when one of its frames is: to check it
costs a quarter of a millisecond a mebibyte, once a process, and nothing is read that would not have been.
"""

import os
import shutil
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gaitlab.data.coding import row_bytes
from gaitlab.home import read_plain, to_disk, write_plain

BLOCK = 2**16
"""Bytes that are verified at a time, to the next whole frame."""


@dataclass(frozen=True)
class FrameMap:
    """All frames of one modality: walk i owns rows `offsets[i]:offsets[i+1]` of `data`.

    data: uint8 `[F, bytes per frame]`, whose slices and `numpy.take` are verified.
    shape: (c, h, w) of a frame. packed: a row holds `np.packbits` of the flattened frame, whose values are 0 and 255;
    otherwise a row holds one byte per pixel.
    """

    data: "Rows"
    offsets: np.ndarray
    shape: tuple[int, int, int]
    packed: bool

    def walk(self, row: int) -> np.ndarray:
        """uint8 `[t, c, h, w]`, values 0..255."""
        rows = self.data[self.offsets[row] : self.offsets[row + 1]]
        if self.packed:
            rows = np.unpackbits(rows, axis=1, count=int(np.prod(self.shape))) * np.uint8(255)
        return rows.reshape(len(rows), *self.shape)


class Rows:
    """Rows of a memory map. ValueError from the block that is not what was written, when a row of it is asked for."""

    def __init__(self, rows: np.ndarray, sums: np.ndarray, per_block: int, folder: Path) -> None:
        self._rows, self._sums, self._per_block, self._folder = rows, sums, per_block, folder
        self._unseen = np.ones(len(sums), bool)
        self._left = len(sums)
        self.shape = rows.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(len(self))
        self._verify(np.arange(start // self._per_block, -(-stop // self._per_block)) if stop > start else np.empty(0, np.int64))
        return self._rows[rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def take(self, index: np.ndarray, **_: Any) -> np.ndarray:
        """uint8 `[*index.shape, bytes]`, as `numpy.take` along the first axis; a row below 0 counts from the end."""
        if self._left:
            self._verify(index // self._per_block)
        return np.take(self._rows, index, axis=0)

    def _verify(self, blocks: np.ndarray) -> None:
        for block in np.unique(blocks[self._unseen[blocks]] % max(1, len(self._sums))):
            rows = self._rows[block * self._per_block : (block + 1) * self._per_block]
            if zlib.crc32(rows.data) != self._sums[block]:
                raise ValueError(_damaged(self._folder, f"block {block} of data.bin is not what was written"))
            self._unseen[block] = False
        self._left = int(self._unseen.sum()) if self._left else 0


def is_map(folder: Path) -> bool:
    """Whether a map lies there that can be verified; those of before 2026-12 cannot."""
    return (folder / "sums.npy").exists()


def build(folder: Path, walks: Iterable[np.ndarray], shape: tuple[int, int, int], packed: bool) -> None:
    """Write the map, whole or not at all, of the `walks`' rows uint8 `[t, bytes]`; one that is there is replaced."""
    partial, width = folder.with_name(f"{folder.name}.partial"), row_bytes(shape, packed)
    shutil.rmtree(partial, ignore_errors=True)
    counts: list[int] = []
    try:
        partial.mkdir()
        with open(partial / "data.bin", "wb") as file:
            out = _Summed(file, max(1, BLOCK // width) * width)
            for rows in walks:
                counts.append(len(rows))
                if len(rows):
                    out.write(rows.data.cast("B"))
            sums = np.array(out.end(), np.uint32)
            to_disk(file)
        offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        for name, array in (("offsets.npy", offsets), ("sums.npy", sums)):
            with open(partial / name, "wb") as file:
                np.save(file, array)
                to_disk(file)
        facts = {"shape": shape, "packed": packed, "frames": sum(counts), "offsets": _crc(offsets), "sums": _crc(sums)}
        write_plain(partial / "meta.json", facts)
        if folder.exists():
            os.replace(folder, partial / "before")  # who has it open keeps its pages
            shutil.rmtree(partial / "before")
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def open_map(folder: Path, shape: tuple[int, int, int], packed: bool) -> FrameMap:
    """The map that `build` wrote. ValueError unless its sizes and small files are what was written, and of these frames."""
    path, width = folder / "data.bin", row_bytes(shape, packed)
    try:
        meta = read_plain(folder / "meta.json")
        offsets, sums, frames = np.load(folder / "offsets.npy"), np.load(folder / "sums.npy"), meta["frames"]
        if (tuple(meta["shape"]), meta["packed"]) != (shape, packed):
            raise ValueError("it is of other frames")  # noqa: TRY301  (said in full below)
        if path.stat().st_size != frames * width or offsets[-1] != frames:
            raise ValueError("sizes do not agree")  # noqa: TRY301
        if (_crc(offsets), _crc(sums)) != (meta["offsets"], meta["sums"]):
            raise ValueError("its content is not what was written")  # noqa: TRY301
        data = np.asarray(np.memmap(path, np.uint8, "r", shape=(frames, width))) if frames else np.zeros((0, width), np.uint8)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise ValueError(_damaged(folder, str(error))) from None
    return FrameMap(Rows(data, sums, max(1, BLOCK // width), folder), offsets, shape, packed)


class _Summed:
    """Writes to `file`, and takes a CRC-32 of every `size` bytes."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self._room, self._crc = file, size, size, 0
        self._sums: list[int] = []

    def write(self, data: memoryview) -> None:
        self._file.write(data)
        while data:
            some, data = data[: self._room], data[self._room :]
            self._crc, self._room = zlib.crc32(some, self._crc), self._room - len(some)
            if not self._room:
                self._sums.append(self._crc)
                self._crc, self._room = 0, self._size

    def end(self) -> list[int]:
        """The sums of all that was written."""
        return self._sums + ([self._crc] if self._room < self._size else [])


def _crc(array: np.ndarray) -> int:
    return zlib.crc32(array.tobytes())


def _damaged(folder: Path, why: str) -> str:
    return f"memory map {folder} is damaged ({why}); delete that folder and it is built again"
