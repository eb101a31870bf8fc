"""A table of texts, and the same table as Markdown, LaTeX and HTML: what one shows, all show."""

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

Mark = Literal["more", "less"]
"""A gain that is surely one, or surely a loss."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """name: of files. title: a line above, if any. lines: cells, as many as `head`. marks: (line, column) -> its mark.
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


def short_commit(commit: str) -> str:
    """A commit as one reads it."""
    return commit[:12]


def markdown(table: Table) -> str:
    """Marked cells are bold."""
    rule = ["---" if j in table.words else "---:" for j in range(len(table.head))]
    lines = _bold(table, "**{}**".format)
    rows = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in (table.head, rule, *lines))
    parts = [f"### {table.title}" if table.title else "", "\n".join(rows), table.note]
    return "\n\n".join(part for part in parts if part)


TEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "±": r"$\pm$", "−": r"$-$", "×": r"$\times$", "·": r"$\cdot$", "λ": r"$\lambda$",
    "→": r"$\to$", "–": "--", "²": r"\textsuperscript{2}", "…": r"\dots{}", "“": "``", "”": "''", "\u200b": "{}",
}  # fmt: skip


def tex(text: str) -> str:
    """`text` as LaTeX prints it."""
    return "".join(TEX.get(letter, letter) for letter in text.replace("--", "-\u200b-"))


def latex(table: Table) -> str:
    """A `table` with booktabs, no wider than the text; marked cells are bold."""
    columns = "".join("l" if j in table.words else "r" for j in range(len(table.head)))
    escaped = replace(table, lines=[[tex(cell) for cell in line] for line in table.lines])
    lines = _bold(escaped, r"\textbf{{{}}}".format)
    body = [" & ".join(_shielded(line)) + r" \\" for line in lines]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{tex(table.title)}. {tex(table.note)}}}",
            rf"\label{{tab:{table.name}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(tex(cell) for cell in table.head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _bold(table: Table, bold: Callable[[str], str]) -> list[list[str]]:
    """The lines with their marked cells in bold."""
    return [[bold(cell) if (i, j) in table.marks else cell for j, cell in enumerate(line)] for i, line in enumerate(table.lines)]


def _shielded(line: Sequence[str]) -> Iterator[str]:
    """A bracket after a line's end would be read as its option."""
    return ("{" + cell + "}" if cell.startswith("[") else cell for cell in line)


def to_html(table: Table) -> str:
    """A `section`; marked cells have the class `more` or `less`."""
    head = "".join(f"<th{_class(j in table.words)}>{html.escape(cell)}</th>" for j, cell in enumerate(table.head))
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(j in table.words, table.marks.get((i, j), ''))}>{html.escape(cell)}</td>" for j, cell in enumerate(line))
        + "</tr>\n"
        for i, line in enumerate(table.lines)
    )
    note = f"<p class='note'>{html.escape(table.note)}</p>" if table.note else ""
    return (
        f"<section id='{html.escape(table.name)}'><h2>{html.escape(table.title)}</h2>\n<div class='scroll'><table>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>{note}</section>"
    )


def _class(words: bool, mark: str = "") -> str:
    names = " ".join(name for name in ("words" if words else "", mark) if name)
    return f" class='{names}'" if names else ""
