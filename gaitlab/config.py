"""Configurations as values: frozen dataclasses that are compared, printed as JSON, read back, and overridden by dotted path.

A class is stored by its name alone, and found again among the imported classes of the family that its field declares (`MethodConfig`,
`SourceConfig`, ...): a file may move without making a stored run unreadable, and no file says what is to be imported.
"""

import dataclasses
import difflib
import hashlib
import importlib
import json
import pkgutil
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from gaitlab.within import arms, of_item, outside

T = TypeVar("T")

WINGS = ("methods", "backbones", "experiment", "evaluation", "data", "walkers", "sweeps")
"""Modules and packages of gaitlab that hold configs, in the order in which a class that is not imported yet is looked for."""


LONGEST = 100
"""Characters of a class's name."""
FREE: Mapping[str, Any] = {"decides": False}
"""Metadata of a field that decides no number: `field(default=0, metadata=FREE)`."""


def plain_name(name: str, what: str) -> None:
    """ValueError for a name that files and folders cannot have: with a slash in it, or beginning with a dot."""
    if not name or "/" in name or "\\" in name or "\0" in name or name.startswith("."):
        raise ValueError(f"{what} is called {name[:LONGEST]!r}; a name is neither empty nor a path: no slashes, no dot at its beginning")


class Config:
    """Base of everything that is stored by its class's name; a subclass is a frozen dataclass.

    A number says its range in its type (`gaitlab.within`). One that checks more begins its `__post_init__` with `super().__post_init__()`.
    """

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, hint in _ranges(kind).items():
            for number, within in outside(getattr(self, name), hint):
                raise ValueError(f"{kind.__name__}.{name} is {within}; it is {number:g}")

    @classmethod
    def upgraded(cls, plain: dict[str, Any]) -> dict[str, Any]:
        """Fields as JSON that an older gaitlab wrote, as they are written today."""
        return plain


# -- values <-> JSON ---------------------------------------------------------------------------------------------------


def to_dict(value: Any) -> Any:
    """Plain JSON types; a config becomes a dict with its class's name under `kind`."""
    if isinstance(value, Config):
        assert dataclasses.is_dataclass(value)
        return {"kind": type(value).__name__} | {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_dict(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_dict(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"a config holds configs, tuples and plain values, not {type(value).__name__}: {value!r}")


def from_dict(plain: Any, kind: type[T]) -> T:
    """Inverse of `to_dict`: a `kind`, or one of its subclasses. ValueError for an unknown class, an unknown field or a wrong type."""
    value = _read(plain, kind)
    if not isinstance(value, kind):
        raise ValueError(f"config is of a {type(value).__name__}, not of a {kind.__name__}")  # noqa: TRY004  (the file's fault)
    return value


def _read(plain: Any, hint: Any) -> Any:
    """The value that a field of the type `hint` holds; `_checked` sees to its type."""
    if isinstance(plain, list):
        inside = [typing.get_args(arm) for arm in arms(hint) if typing.get_origin(arm) is tuple]
        inside = [items for items in inside if len(items) == len(plain) or items[-1] is Ellipsis] or [(Any, ...)]
        each = inside[0][:1] * len(plain) if inside[0][-1] is Ellipsis else inside[0]
        return tuple(_read(item, of) for item, of in zip(plain, each, strict=True))
    if not isinstance(plain, dict):
        return plain
    if "kind" not in plain:
        of = next((typing.get_args(arm)[1] for arm in arms(hint) if typing.get_origin(arm) is Mapping), Any)
        return {key: _read(item, of) for key, item in plain.items()}
    families = [arm for arm in arms(hint) if isinstance(arm, type) and issubclass(arm, Config)] or [Config]
    cls = _class(str(plain["kind"]), families)
    try:
        plain, known = cls.upgraded(plain), _hints(cls)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"config of a {cls.__name__} is damaged: {error}") from None
    for key in plain:
        if key != "kind" and key not in known:
            raise ValueError(f"{cls.__name__} has no field {key!r}{nearest(key, known)}")
    values = {key: _read(item, known[key]) for key, item in plain.items() if key != "kind"}
    try:
        return cls(**{key: _checked(value, known[key], f"{cls.__name__}.{key}") for key, value in values.items()})
    except TypeError as error:  # a field without a default is missing
        raise ValueError(f"config of a {cls.__name__} is incomplete: {error}") from None


def _class(kind: str, families: Iterable[type[Config]]) -> Any:
    """The imported dataclass of that name in one of the families. Files of before 2026-12 have its module before a colon."""
    name = kind.rpartition(":")[2][:LONGEST]
    for _ in _own_modules():
        there = [member for family in families for member in _members(family) if dataclasses.is_dataclass(member)]
        found = {(cls.__module__, cls.__qualname__): cls for cls in there if cls.__name__ == name}
        if len(found) > 1:
            both = " and ".join(sorted(cls.__module__ for cls in found.values()))
            raise ValueError(f"two classes are called {name}, in {both}; a config is stored by its class's name, so rename one")
        if found and next(iter(found))[0].startswith("gaitlab."):  # somebody else's may have a namesake here that is not imported yet
            break
    if found:
        return next(iter(found.values()))
    family = " or ".join(dict.fromkeys(cls.__name__ for cls in families))
    raise ValueError(
        f"config names the class {name!r}, which is no imported {family}{nearest(name, [cls.__name__ for cls in there])}; "
        "if it is your own: --module YOUR.MODULE"
    )


def _members(family: type[Config]) -> Iterator[type[Config]]:
    """The class and all of its subclasses; of one that was defined again (a notebook's cell) the newest comes last."""
    yield family
    for cls in family.__subclasses__():
        yield from _members(cls)


def _own_modules() -> Iterator[None]:
    """Goes on once as things are, and once more after each of gaitlab's wings has been imported."""
    yield
    for wing in WINGS:
        package = importlib.import_module(f"gaitlab.{wing}")
        for module in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
            importlib.import_module(module.name)
        yield


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """Field -> its type."""
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


@cache
def _ranges(cls: Any) -> dict[str, Any]:
    """Field -> its type with the ranges, of the fields that may hold numbers."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if hints[f.name] not in (str, bool)}


def fingerprint(value: Config) -> str:
    """12 hex digits of what differs from the classes' defaults, so that a field that gaitlab learns leaves every fingerprint as it was.

    Fields that are FREE do not count.
    """
    return hashlib.sha256(json.dumps(_told(value), sort_keys=True).encode()).hexdigest()[:12]


def _told(value: Any) -> Any:
    """`to_dict` without defaults; 1.0 is 1."""
    if isinstance(value, Config):
        assert dataclasses.is_dataclass(value)
        fields = [f for f in dataclasses.fields(value) if decides(f) and getattr(value, f.name) != _default(f)]
        return {"kind": type(value).__name__} | {f.name: _told(getattr(value, f.name)) for f in fields}
    if isinstance(value, (tuple, list)):
        return [_told(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _told(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else to_dict(value)


def decides(field: "dataclasses.Field[Any]") -> bool:
    """Whether the field decides a number."""
    return bool(field.metadata.get("decides", True))


def _default(field: "dataclasses.Field[Any]") -> Any:
    """MISSING where there is none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted path -> leaf, e.g. `optim.lr` -> 0.1, `init.0.of` -> a run's id; class names under `<path>.kind`."""
    return _leaves(to_dict(value), prefix)


def _leaves(plain: Any, prefix: str) -> dict[str, Any]:
    if isinstance(plain, list) and any(isinstance(item, dict) for item in plain):
        plain = {str(i): item for i, item in enumerate(plain)}
    if not isinstance(plain, dict):
        return {prefix: plain}
    out: dict[str, Any] = {}
    for key, item in plain.items():
        out |= _leaves(item, f"{prefix}.{key}" if prefix else key)
    return out


def differences(ours: Any, theirs: Any) -> list[str]:
    """`path: ours -> theirs` for every leaf that differs."""
    a, b = flatten(ours), flatten(theirs)
    missing = "(absent)"
    return [
        f"{k}: {a.get(k, missing)} -> {b.get(k, missing)}" for k in sorted(a.keys() | b.keys()) if a.get(k, missing) != b.get(k, missing)
    ]


def deciding(value: T) -> T:
    """A copy whose FREE fields have their defaults, or "" where there is none: two that are equal end in the same numbers."""
    if isinstance(value, tuple):
        return tuple(deciding(item) for item in value)  # type: ignore[return-value]
    if not isinstance(value, Config):
        return value
    assert dataclasses.is_dataclass(value)
    kept: dict[str, Any] = {f.name: deciding(getattr(value, f.name)) for f in dataclasses.fields(value) if decides(f)}
    freed = {f.name: "" if _default(f) is dataclasses.MISSING else _default(f) for f in dataclasses.fields(value) if not decides(f)}
    return dataclasses.replace(value, **kept, **freed)


# -- overriding --------------------------------------------------------------------------------------------------------


def override(value: T, changes: Mapping[str, Any]) -> T:
    """A copy with `changes` (dotted path -> new value) applied; a wrong path or type is a ValueError that suggests the right one."""
    for path, new in changes.items():
        value = _override_one(value, type(value), path.split("."), new, path)
    return value


def value_at(value: Any, path: str) -> Any:
    """What lies at a dotted path, e.g. `method.recogniser` or `init.0.of`. ValueError for a wrong one."""
    for key in path.split("."):
        if isinstance(value, tuple):
            value = value[_place(value, key, path)]
        else:
            _type_of(value, key, path)
            value = getattr(value, key)
    return value


def _override_one(value: Any, hint: Any, keys: Sequence[str], new: Any, path: str) -> Any:
    """`value`, which a field of the type `hint` holds, with `new` at the keys."""
    if not keys:
        return _checked(new, hint, path)
    key, rest = keys[0], keys[1:]
    if isinstance(value, tuple):
        place = _place(value, key, path)
        return (*value[:place], _override_one(value[place], of_item(hint, place), rest, new, path), *value[place + 1 :])
    if isinstance(value, Mapping):
        return {**value, ".".join(keys): _checked(new, of_item(hint, 0), path)}
    if not dataclasses.is_dataclass(value):
        raise ValueError(f"{path!r} goes below a plain value ({value!r})")
    type_ = _type_of(value, key, path)
    changed = _override_one(getattr(value, key), type_, rest, new, path)
    try:
        return dataclasses.replace(value, **{key: changed})  # type: ignore[type-var]
    except ValueError as error:
        raise ValueError(str(error).replace(f"{type(value).__name__}.{key} ", f"{path} ", 1)) from None


def _type_of(value: Any, key: str, path: str) -> Any:
    """Type of a config's field. ValueError if there is none of that name."""
    known = _hints(value.__class__) if dataclasses.is_dataclass(value) else {}
    if key not in known:
        raise ValueError(f"unknown field {path!r}: {type(value).__name__} has no {key!r}{nearest(key, known)}")
    return known[key]


def _place(items: tuple[Any, ...], key: str, path: str) -> int:
    if key.isdigit() and int(key) < len(items):
        return int(key)
    there = f"0 to {len(items) - 1}" if items else "none"
    raise ValueError(f"unknown field {path!r}: there is no {key!r} of it; there are {there}")


def _checked(new: Any, hint: Any, path: str) -> Any:
    """`new` if it fits the type hint (ints pass as floats, lists as tuples), else ValueError."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return new
    if origin is Literal:
        if new in args:
            return new
        raise ValueError(f"{path} is one of {', '.join(map(str, args))}; not {new!r}")
    if origin in (types.UnionType, typing.Union):
        for option in args:
            try:
                return _checked(new, option, path)
            except ValueError:
                continue
    elif origin is tuple and isinstance(new, (tuple, list)):
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_checked(item, args[0], path) for item in new)
        if len(args) == len(new):
            return tuple(_checked(item, arg, path) for item, arg in zip(new, args, strict=True))
    elif origin is Mapping and isinstance(new, Mapping):
        return {key: _checked(item, args[1], f"{path}.{key}") for key, item in new.items()}
    elif hint is float and isinstance(new, int) and not isinstance(new, bool):
        return float(new)
    elif isinstance(hint, type) and isinstance(new, hint) and not (hint is int and isinstance(new, bool)):
        return new
    raise ValueError(f"{path} takes {getattr(hint, '__name__', hint)}; not {new!r}")


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a line about an unknown word: `; did you mean 'lr'?`, or all that is known."""
    there = list(known)
    near = closest(word, there)
    return f"; did you mean {near!r}?" if near else f"; known are {', '.join(there) or 'none'}"


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like it, "" if none is."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), "")
