"""Modules of your own: imported by name, so that the classes in them are known, and what they offer: ALL, SWEEPS, PROTOCOLS.

`--module my.methods` names one; an experiment keeps the names (`Experiment.modules`), so that whatever opens its run imports them, too.
A run that lies elsewhere than in gaitlab's home may be a stranger's: of that one nothing is imported but what the command line names.
"""

import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from types import ModuleType
from typing import Any

from gaitlab.config import Config

OURS = ("gaitlab", "experiments", "__main__")
"""Packages that every process knows anyway, and the one that no other process can import."""


class NotThereError(ValueError):
    """There is no module of that name."""


def import_modules(names: Sequence[str]) -> list[ModuleType]:
    """Import them, also from the working folder. ValueError for one that is not there, or needs one that is not."""
    if names and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return [_imported(name) for name in names]


def import_kept(names: Sequence[str]) -> None:
    """Import what an experiment names, as far as it is there: a file may have moved, its classes may be known all the same.

    One that is there and needs what is not installed is passed over with a line about it.
    """
    for name in names:
        try:
            import_modules([name])
        except NotThereError:
            continue
        except ValueError as error:
            _tell(f"passed over: {error}")


def offered(modules: Sequence[ModuleType], what: str) -> dict[str, Any]:
    """What the modules have under the name `what`, each a dict: ALL (experiments), SWEEPS or PROTOCOLS, by name."""
    return {name: value for module in modules for name, value in getattr(module, what, {}).items()}


def modules_of(value: Any) -> tuple[str, ...]:
    """Modules of the config classes inside `value` that are not gaitlab's, sorted."""
    return tuple(sorted({name for name in classes_modules(value) if name.split(".")[0] not in OURS}))


def classes_modules(value: Any) -> Iterator[str]:
    """Modules of the config classes inside `value`."""
    if isinstance(value, Config):
        assert is_dataclass(value)
        yield type(value).__module__
        for field in fields(value):
            yield from classes_modules(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from classes_modules(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from classes_modules(item)


@cache
def _tell(line: str) -> None:
    """On stderr, once in a process: a sweep reads the configs of many runs."""
    print(line, file=sys.stderr, flush=True)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ValueError(f"module {name} needs {error.name}, which is not installed") from None
        raise NotThereError(f"no module {name!r}; install it, or start where it lies, or put its folder into PYTHONPATH") from None
