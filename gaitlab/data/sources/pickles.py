"""Array files from strangers: a pickle may hold numpy arrays and nothing else, so that reading it never runs its code.

Not even numpy's own: what a pickle calls arrays and dtypes are small classes of ours, which make an array of the bytes that are there.
"""

import codecs
import pickle
import re
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gaitlab.data.sources.foreign import foreign

BYTES = 2**31
"""Of the frames of a walk that a list holds one by one; a pickle may name one of them a million times."""


def _latin1(text: str, encoding: str) -> bytes:
    """What `_codecs.encode` does for the bytes of an array in pickles of protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding}")
    return codecs.encode(text, "latin1")


class _Refused(Exception):
    """Not an UnpicklingError: that one stands for a damaged file."""


class _Dtype:
    """numpy.dtype of plain numbers, or of objects."""

    def __init__(self, code: str, *_: bool) -> None:
        if not re.fullmatch(r"[biufc]\d{1,2}|O8?", code):
            raise _Refused(f"holds an array of {code!r:.20}, not one [frames, h, w] of uint8")
        self.numpy = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.numpy = self.numpy.newbyteorder(state[1])


class _Array:
    """numpy.ndarray."""

    value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, fortran, content = state[-4:]
        if dtype.numpy.hasobject:
            self.value = _objects(content)
        else:
            self.value = np.frombuffer(content, dtype.numpy).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _frombuffer(content: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str, axes: tuple[int, ...] | None = None) -> _Array:
    array = _Array()
    array.value = np.frombuffer(content, dtype.numpy).reshape(shape, order="F" if order == "F" else "C")
    if axes is not None:
        array.value = array.value.transpose(axes)
    return array


def _scalar(dtype: _Dtype, content: bytes) -> Any:
    return np.frombuffer(content, dtype.numpy)[0]


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
}
for _core in ("numpy.core", "numpy._core"):
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _scalar
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _frombuffer


class _ArrayUnpickler(pickle._Unpickler):  # Python's own: C's takes room for whatever number an object is given
    read: Any
    append: Any
    size: int
    """Bytes of the file."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise _Refused(f"refused, the pickle asks for {ascii(f'{module}.{name}')[1:-1]:.80}; only numpy arrays are read")
        return _ADMITTED[module, name]

    def load_bytearray8(self) -> None:
        """Of the bytes that are there; Python's first fills as much memory with zeros as the file asks for."""
        (length,) = struct.unpack("<Q", self.read(8))
        if length > self.size:
            raise pickle.UnpicklingError("pickle data was truncated")
        self.append(bytearray(self.read(length)))

    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch, pickle.BYTEARRAY8[0]: load_bytearray8}


def read_array(path: str | Path) -> np.ndarray:
    """The array in a .pkl or .npy file; a list of equal ones is stacked. ValueError, one line that names the file, for anything else."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            try:
                if path.suffix.lower() == ".npy":
                    value: Any = np.load(file, allow_pickle=False)
                else:
                    unpickler = _ArrayUnpickler(file, encoding="latin1")
                    unpickler.size = path.stat().st_size
                    value = unpickler.load()
            except _Refused as refused:
                raise ValueError(f"{path}: {refused}") from None
            except Exception as error:  # noqa: BLE001  (damaged bytes raise nearly anything)
                file.seek(0)
                why = " ".join(str(error).split())[:200] or "ends early"
                raise ValueError(f"{path}: {foreign(file.read(64)) or f'damaged ({type(error).__name__}: {why})'}") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
    array = _plain(value, path)
    if isinstance(array, np.ndarray) and array.dtype != object:
        return array
    kind = f"{array.dtype} array" if isinstance(array, np.ndarray) else type(array).__name__
    raise ValueError(f"{path}: holds a {kind}, not an array [frames, h, w] of uint8")


def _plain(value: Any, path: Path) -> Any:
    """The array that `value` is, or that its arrays are together; else `value`."""
    if isinstance(value, _Array):
        value = value.value
    several = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.dtype == object)
    if not several or not len(value) or not all(isinstance(item, _Array) and item.value is not None for item in value):
        return value
    frames = [item.value for item in value]
    sizes = sorted({"x".join(map(str, frame.shape)) for frame in frames})
    kinds = sorted({str(frame.dtype) for frame in frames})
    if len(sizes) > 1 or len(kinds) > 1:
        differing = f"unequal size ({', '.join(sizes[:3])})" if len(sizes) > 1 else f"several kinds ({', '.join(kinds[:3])})"
        raise ValueError(f"{path}: frames of {differing}; one walk is one array [frames, h, w]")
    if sum(frame.nbytes for frame in frames) > BYTES:
        raise ValueError(f"{path}: its list names more than {BYTES >> 30} GB of frames")
    return np.stack(frames)


def _objects(items: list[Any]) -> np.ndarray:
    array = np.empty(len(items), object)
    for place, item in enumerate(items):
        array[place] = item
    return array
