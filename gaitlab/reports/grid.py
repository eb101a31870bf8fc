"""A table of texts, and the same table as Markdown, LaTeX and HTML: what one shows, all show."""

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

Mark = Literal["more", "less"]
"""A gain that is surely one, or surely a loss."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """name: of files. title: a line above. lines: cells, as many as `head`. marks: (line, column) -> its mark.
    words: columns of text; the others hold numbers and are aligned right. note: what to know to read it."""

    name: str
    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    marks: Mapping[tuple[int, int], Mark] = field(default_factory=dict)
    words: frozenset[int] = frozenset({0})
    note: str = ""

    def __post_init__(self) -> None:
        for line in self.lines:
            assert len(line) == len(self.head), (line, self.head)


def number(value: float) -> str:
    """71.23, or – for NaN."""
    return "–" if np.isnan(value) else f"{value:.2f}".replace("-", "−")


def signed(value: float) -> str:
    """+1.20, −0.35, or – for NaN."""
    return "–" if np.isnan(value) else f"{value:+.2f}".replace("-", "−")


def interval(low: float, high: float, *, sign: bool = False) -> str:
    """[70.12, 72.90], or – for NaN; with `sign`, [+0.10, +2.30]."""
    show = signed if sign else number
    return "–" if np.isnan(low) else f"[{show(low)}, {show(high)}]"


def spread(values: Sequence[float]) -> str:
    """71.23 ± 0.40: mean and sample standard deviation; of one value, that alone."""
    if not len(values):
        return "–"
    return number(float(np.mean(values))) + (f" ± {number(float(np.std(values, ddof=1)))}" if len(values) > 1 else "")


def markdown(grid: Grid) -> str:
    """Marked cells are bold."""
    rule = ["---" if j in grid.words else "---:" for j in range(len(grid.head))]
    lines = _bold(grid, "**{}**".format)
    rows = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in (grid.head, rule, *lines))
    return f"### {grid.title}\n\n" + "\n".join(rows) + (f"\n\n{grid.note}" if grid.note else "")


TEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "±": r"$\pm$", "−": r"$-$", "×": r"$\times$", "·": r"$\cdot$", "λ": r"$\lambda$",
    "→": r"$\to$", "–": "--", "²": r"\textsuperscript{2}", "…": r"\dots{}", "“": "``", "”": "''", "\u200b": "{}",
}  # fmt: skip


def tex(text: str) -> str:
    """`text` as LaTeX prints it."""
    return "".join(TEX.get(letter, letter) for letter in text.replace("--", "-\u200b-"))


def latex(grid: Grid) -> str:
    """A `table` with booktabs, no wider than the text; marked cells are bold."""
    columns = "".join("l" if j in grid.words else "r" for j in range(len(grid.head)))
    escaped = replace(grid, lines=[[tex(cell) for cell in line] for line in grid.lines])
    lines = _bold(escaped, r"\textbf{{{}}}".format)
    body = [" & ".join(_shielded(line)) + r" \\" for line in lines]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{tex(grid.title)}. {tex(grid.note)}}}",
            rf"\label{{tab:{grid.name}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(tex(cell) for cell in grid.head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _bold(grid: Grid, bold: Callable[[str], str]) -> list[list[str]]:
    """The lines with their marked cells in bold."""
    return [[bold(cell) if (i, j) in grid.marks else cell for j, cell in enumerate(line)] for i, line in enumerate(grid.lines)]


def _shielded(line: Sequence[str]) -> Iterator[str]:
    """A bracket after a line's end would be read as its option."""
    return ("{" + cell + "}" if cell.startswith("[") else cell for cell in line)


def to_html(grid: Grid) -> str:
    """A `section`; marked cells have the class `more` or `less`."""
    head = "".join(f"<th{_class(j in grid.words)}>{html.escape(cell)}</th>" for j, cell in enumerate(grid.head))
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(j in grid.words, grid.marks.get((i, j), ''))}>{html.escape(cell)}</td>" for j, cell in enumerate(line))
        + "</tr>\n"
        for i, line in enumerate(grid.lines)
    )
    note = f"<p class='note'>{html.escape(grid.note)}</p>" if grid.note else ""
    return (
        f"<section id='{html.escape(grid.name)}'><h2>{html.escape(grid.title)}</h2>\n<div class='scroll'><table>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>{note}</section>"
    )


def _class(words: bool, mark: str = "") -> str:
    names = " ".join(name for name in ("words" if words else "", mark) if name)
    return f" class='{names}'" if names else ""
