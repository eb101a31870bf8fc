"""Array files from strangers: a pickle may hold a numpy array and nothing else, so that reading it never runs its code."""

import codecs
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import multiarray, numeric


def _latin1(text: str, encoding: str) -> bytes:
    """What `_codecs.encode` does for the bytes of an array in pickles of protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding}")
    return codecs.encode(text, "latin1")


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}
for _core in ("numpy.core", "numpy._core"):
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = multiarray._reconstruct
    _ADMITTED[f"{_core}.multiarray", "scalar"] = multiarray.scalar
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = getattr(numeric, "_frombuffer")  # noqa: B009  (not in numpy's stubs)


class _Refused(Exception):
    """Not an UnpicklingError: that one stands for a damaged file."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise _Refused(f"{module}.{name}")
        return _ADMITTED[module, name]


def read_array(path: str | Path) -> np.ndarray:
    """The array in a .pkl or .npy file. ValueError, one line that names the file, for anything else."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            if path.suffix == ".npy":
                value: Any = np.load(file, allow_pickle=False)
            else:
                value = _ArrayUnpickler(file, encoding="latin1").load()
    except _Refused as refused:
        raise ValueError(f"{path}: refused, the pickle asks for {refused}; only numpy arrays are read") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # noqa: BLE001  (damaged bytes raise nearly anything)
        raise ValueError(
            f"{path}: damaged ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'ends early'})"
        ) from None
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value
    if isinstance(value, (list, tuple, np.ndarray)) and len(value) and all(isinstance(item, np.ndarray) for item in value):
        sizes = sorted({"x".join(map(str, item.shape)) for item in value})
        if len(sizes) > 1:
            raise ValueError(f"{path}: frames of unequal size ({', '.join(sizes[:3])}); one walk is one array [frames, h, w]")
    raise ValueError(f"{path}: holds a {_kind(value)}, not an array [frames, h, w] of uint8")


def _kind(value: Any) -> str:
    return f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
