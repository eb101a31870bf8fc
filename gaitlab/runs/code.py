"""The code that decides a run's numbers, as a hash of its files without comments and docstrings.

Not the commit: of that, most is about other methods, tables and words. Counted are the modules of the experiment's own classes and of the
training and testing of a run, and whatever of gaitlab, or of somebody's own code, those import. Installed packages are not counted: a run's
tags tell torch's version. What is defined in a notebook cannot be read again, so its runs are nobody else's.
"""

import ast
import hashlib
import importlib.util
import re
import sys
import sysconfig
import uuid
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from gaitlab.config import deciding
from gaitlab.experiment import Experiment
from gaitlab.modules import classes_modules

ALWAYS = "gaitlab.training.fit"
"""Trains and tests any experiment."""
ROOMS = (
    "backbones", "config", "data", "diffusion", "evaluation", "experiment", "losses", "method", "methods", "nn", "rng", "training", "types",
)  # fmt: skip
"""Of gaitlab; what lies elsewhere starts, keeps, tracks and shows runs. `walkers` makes people, but a run is of the hash of its data."""
SHOWS = (
    "data.progress", "data.sources", "data.ingest", "evaluation.figures", "evaluation.looks", "evaluation.panels", "training.cost",
    "training.looks", "training.progress",
)  # fmt: skip
"""Modules in there that draw, print or write shards."""

_NOTEBOOK = uuid.uuid4().hex
_TEXT_OR_COMMENT = re.compile(
    r"""(\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|#[^\n]*""", re.DOTALL
)


def code_hash(experiment: Experiment) -> str:
    """12 hex digits, of the files as they were when this process first asked: a file that is edited meanwhile is not what runs."""
    found: dict[str, str] = {}
    waiting = [ALWAYS, *sorted(classes_modules(deciding(experiment)))]
    while waiting:
        name = waiting.pop()
        if name in found or not _counts(name):
            continue
        if file := _file(name):
            found[name], imports = _read(file, name)
            waiting += imports
        elif name == "__main__":  # cells of a notebook
            found[name] = _NOTEBOOK
    return hashlib.sha256("".join(f"{name} {found[name]}\n" for name in sorted(found)).encode()).hexdigest()[:12]


def _counts(name: str) -> bool:
    """Whether it is a room of gaitlab that decides numbers, or somebody's own code, which is whatever is not installed."""
    package, _, inside = name.partition(".")
    if package == "gaitlab":
        return inside.partition(".")[0] in ROOMS and not any(f"{inside}.".startswith(f"{shown}.") for shown in SHOWS)
    return _own(package)


@cache
def _own(package: str) -> bool:
    file = _file(package)
    installed = [Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    return package == "__main__" or (file is not None and not any(file.is_relative_to(folder) for folder in installed))


def _file(name: str) -> Path | None:
    """Source of a module; None if it has none, or if a class or function is called so."""
    if name in sys.modules:
        file = getattr(sys.modules[name], "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        file = spec.origin if spec else None
    return Path(file) if file and file.endswith(".py") else None


@cache
def _read(file: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """Hash of what a file says to Python, and the modules that it may import."""
    text = file.read_text()
    statements = list(_statements(ast.parse(text)))
    imports = tuple(sorted(set(_imports(statements, name if file.name == "__init__.py" else name.rpartition(".")[0]))))
    return hashlib.sha256(_bare(text, statements).encode()).hexdigest(), imports


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements inside, and no expressions, which are most of a tree."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        inside = getattr(node, part, ())
        for statement in inside if isinstance(inside, list) else ():
            yield statement
            yield from _statements(statement)


def _imports(statements: Sequence[ast.AST], package: str) -> Iterator[str]:
    for node in statements:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*up, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _bare(text: str, statements: Sequence[ast.AST]) -> str:
    """Without comments, texts that stand alone, and empty lines; no version of Python sees it otherwise."""
    alone = {
        line
        for node in statements
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = "\n".join(line for number, line in enumerate(text.splitlines(), 1) if number not in alone)
    kept = _TEXT_OR_COMMENT.sub(lambda found: found[1] or "", lines)
    return "\n".join(line.rstrip() for line in kept.splitlines() if line.strip())
