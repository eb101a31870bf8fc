"""How `--help` fits on a screen: paragraphs filled, names in families."""

import contextlib
import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator

COMMANDS = ("python ", "torchrun ", "ray ")
"""What the examples in a pipeline's docstring begin with."""
MOST = 14
"""Lines of names; a module of the user's may bring hundreds."""


def width() -> int:
    """Columns of the terminal, 100 at most."""
    return min(100, shutil.get_terminal_size((100, 24)).columns)


@contextlib.contextmanager
def one_screen() -> Iterator[None]:
    """Inside, others take the terminal to be as wide as `width`, too."""
    before, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), str(width())
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def fitted(text: str) -> str:
    """Paragraphs filled to the width; lines that are indented, or commands to type, stand alone."""
    out: list[str] = []
    prose: list[str] = []
    for line in [*text.strip().splitlines(), ""]:
        if line and not line.startswith((" ", *COMMANDS)):
            prose.append(line)
            continue
        out += textwrap.wrap(" ".join(prose), width(), break_on_hyphens=False)
        out.append(f"  {line.strip()}" if line.startswith(COMMANDS) else line)
        prose.clear()
    return "\n".join(out).rstrip()


def families(names: Iterable[str], *, whole: bool = False) -> list[str]:
    """Names by what stands before their first hyphen, a line each: `gaitset-  casia-b oumvlp`. Those alone in theirs share the first.

    whole: all of them, as --help-all shows; else `MOST` lines.
    """
    members: dict[str, list[str]] = {}
    for name in names:
        head, hyphen, rest = name.partition("-")
        members.setdefault(head + hyphen, []).append(rest)
    alone = [family + of[0] for family, of in members.items() if len(of) == 1]
    large = {family: of for family, of in members.items() if len(of) > 1}
    column = max(map(len, large), default=0) + 2
    lines = _columns(alone, "  ") if alone else []
    for family, of in large.items():
        lines += _columns(of, f"  {family:{column}}")
    return lines if whole or len(lines) <= MOST else [*lines[: MOST - 1], f"  and {len(lines) - MOST + 1} lines more: --help-all"]


def _columns(words: list[str], head: str) -> list[str]:
    return textwrap.wrap("  ".join(words), width(), initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)
