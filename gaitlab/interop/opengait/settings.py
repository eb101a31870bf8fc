"""A mapping of a YAML that is read key by key, with types; what nobody asked for is an error that names the whole path."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from gaitlab.config import closest, nearest

_NEEDED: Any = object()


MOST = 100_000
"""Characters of a YAML file, and values in it with its aliases (`*name`) written out; OpenGait's have some thousands, some hundreds."""

LONGEST = 200
"""Characters of a value in an error's line."""


def read_yaml(path: str | Path) -> Mapping[str, Any]:
    """A YAML file's mapping; no tag of it builds anything but plain values."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MOST + 1)
        content = yaml.safe_load(text) if len(text) <= MOST else None
        if len(text) > MOST or sum(1 for _ in islice(_values(content), MOST)) == MOST:
            raise ValueError(f"{path} has more than {MOST:,} characters or values, aliases written out; that is no configuration")
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply for a configuration") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text file; the YAML comes first, then the checkpoint") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{place} is no YAML: {getattr(error, 'problem', None) or 'unreadable'}") from None
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds no mapping; an OpenGait configuration has data_cfg, model_cfg, trainer_cfg and others")  # noqa: TRY004  (the user's input)
    return content


def _values(content: Any) -> Iterator[Any]:
    """The content and all values in it, what aliases repeat each time anew."""
    waiting = [content]
    while waiting:
        yield (value := waiting.pop())
        if isinstance(value, Mapping | list):
            waiting += value.values() if isinstance(value, Mapping) else value


def _brief(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}..."


class Settings:
    """One level of a configuration. `notes` collects what was read and has no effect here, as `path (why)`."""

    def __init__(self, content: Any, path: str, notes: list[str]) -> None:
        if not isinstance(content, Mapping | None):
            raise ValueError(f"{path} is {_brief(content)}; it takes names and values, e.g. 'type: ...'")  # noqa: TRY004  (the user's input)
        self.path, self.notes = path, notes
        self._left = {str(key): value for key, value in (content or {}).items()}
        self._known: set[str] = set()

    def name(self, key: str) -> str:
        """Full path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return key in self._left

    def raw(self, key: str, default: Any = _NEEDED) -> Any:
        """Any value."""
        self._known.add(key)
        if key in self._left:
            return self._left.pop(key)
        if default is _NEEDED:
            near = closest(key, self._left)
            raise ValueError(f"{self.name(key)} is missing{near and f'; is {near!r} meant to be it?'}")
        return default

    def flag(self, key: str, default: bool = _NEEDED) -> bool:
        return bool(self._typed(key, bool, "true or false", default))

    def text(self, key: str, default: str = _NEEDED) -> str:
        return str(self._typed(key, str, "a word", default))

    def choice(self, key: str, known: Sequence[str], default: str = _NEEDED) -> str:
        """One of `known`."""
        value = self.text(key, default)
        if value not in known:
            raise ValueError(f"{self.name(key)} is {value!r}{nearest(value, known)}")
        return value

    def whole(self, key: str, default: int = _NEEDED, least: int = 1) -> int:
        value = self._typed(key, int, "a whole number", default)
        if value < least:
            raise ValueError(f"{self.name(key)} is {value}; it is {least} or more")
        return int(value)

    def number(self, key: str, default: float = _NEEDED, least: float = -math.inf, most: float = math.inf) -> float:
        value = self._finite(self.name(key), self._typed(key, (int, float), "a number", default))
        if not least <= value <= most:
            raise ValueError(
                f"{self.name(key)} is {value:g}; it is {f'{least:g} or more' if most == math.inf else f'{least:g} to {most:g}'}"
            )
        return value

    def wholes(
        self, key: str, default: Sequence[int] = _NEEDED, least: int = 1, count: int | None = None, *, empty: bool = False
    ) -> tuple[int, ...]:
        """Numbers of which each is `least` or more; `count` of them where it is given, and none only where the list may be `empty`."""
        value: tuple[int, ...] = self._list(key, default, lambda item: type(item) is int, "whole numbers, e.g. [8, 16]", count, empty=empty)
        if any(item < least for item in value):
            raise ValueError(f"{self.name(key)} is {list(value)}; each is {least} or more")
        return value

    def numbers(self, key: str, default: Sequence[float] = _NEEDED, least: float = 0.0, count: int | None = None) -> tuple[float, ...]:
        """The same with fractions."""
        items = self._list(key, default, lambda item: type(item) in (int, float), "numbers, e.g. [0.1, 0.01]", count)
        value = tuple(self._finite(f"{self.name(key)}[{i}]", item) for i, item in enumerate(items))
        if any(item < least for item in value):
            raise ValueError(f"{self.name(key)} is {list(value)}; each is {least:g} or more")
        return value

    def words(self, key: str, default: Sequence[str] = _NEEDED) -> tuple[str, ...]:
        value: tuple[str, ...] = self._list(key, default, lambda item: type(item) is str, "words, e.g. [BC-64, M]")
        return value

    def inner(self, key: str, default: Any = _NEEDED) -> "Settings":
        """The level below."""
        return Settings(self.raw(key, default), self.name(key), self.notes)

    def levels(self, key: str, default: Any = _NEEDED) -> list["Settings"]:
        """A list of levels; a single one may stand without its list."""
        value = self.raw(key, default)
        items = value if isinstance(value, list | tuple) else [value]
        return [Settings(item, f"{self.name(key)}[{i}]", self.notes) for i, item in enumerate(items)]

    def ignore(self, why: str, *keys: str) -> None:
        """Keys that have no effect here; those that are there are noted."""
        for key in keys:
            if self.raw(key, None) is not None:
                self.notes.append(f"{self.name(key)} ({why})")

    def close(self) -> None:
        """ValueError for the first key that nobody asked for."""
        for key in self._left:
            raise ValueError(f"{self.name(key)} is not understood{nearest(key, sorted(self._known))}")

    def _typed(self, key: str, kind: Any, what: str, default: Any) -> Any:
        value = self.raw(key, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{self.name(key)} is {_brief(value)}; it takes {what}{_dotting(value) if kind is not bool else ''}")
        return value

    def _list(
        self, key: str, default: Any, fits: Callable[[Any], bool], what: str, count: int | None = None, *, empty: bool = False
    ) -> tuple[Any, ...]:
        value = self.raw(key, default)
        if not isinstance(value, list | tuple) or not all(map(fits, value)):
            items = value if isinstance(value, list | tuple) else ()
            dotted = next(filter(None, map(_dotting, items)), "")
            raise ValueError(f"{self.name(key)} is {_brief(value)}; it takes a list of {what}{dotted}")
        if not value and not empty:
            raise ValueError(f"{self.name(key)} is empty; it takes a list of {what}")
        if count not in (None, len(value)):
            raise ValueError(f"{self.name(key)} is {list(value)}; it takes {count} of them")
        return tuple(value)

    @staticmethod
    def _finite(name: str, value: float) -> float:
        if not abs(value) <= sys.float_info.max:
            raise ValueError(f"{name} is {str(value)[:20]}; it takes a finite number")
        return float(value)


def _dotting(value: Any) -> str:
    """The hint for a number that YAML takes for a word; "" for anything else."""
    return f"; a YAML reads {value} as a number only when it is written {_dotted(value)}" if _dotted(value) else ""


def _dotted(value: Any) -> str:
    """`1e-4`, which YAML takes for a word, as the number that was meant: `1.0e-4`; "" for anything else."""
    mantissa, e, exponent = value.lower().partition("e") if isinstance(value, str) else ("", "", "")
    digits = exponent.lstrip("+-")
    if not (e and mantissa.lstrip("-").isdigit() and digits.isdigit()):
        return ""
    return f"{mantissa}.0e{exponent if exponent[0] in '+-' else '+' + exponent}"
