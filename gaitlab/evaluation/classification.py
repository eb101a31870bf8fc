"""Benchmarks that ask what a walk is, not whose: a network's logits against the condition that the walk is labelled with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor

from gaitlab.data.store import Store
from gaitlab.evaluation.embedder import Embedder
from gaitlab.evaluation.evaluate import taken
from gaitlab.evaluation.protocol import AnyProtocol, Where, found, of_split
from gaitlab.evaluation.result import finals, table_rows, text_table
from gaitlab.evaluation.tested import Tested, final_rows
from gaitlab.evaluation.unused import unused
from gaitlab.types import Modality

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALL = "all"
"""Row of the table with accuracy and the means over classes."""


@dataclass(frozen=True, kw_only=True)
class ClassificationProtocol(AnyProtocol):
    """classes: the conditions to be told apart, in the order of a network's logits. A walk without any of them takes no part."""

    classes: tuple[str, ...]

    def sides(self, index: pd.DataFrame) -> list[tuple[Modality | None, np.ndarray]]:
        return [(None, labelled(index, self)[0])]

    def test(self, embedder: Embedder, store: Store, *, learn_from: Sequence[Store] | None = None) -> Tested:
        """The baseline is the commonest class as the answer to everything."""
        ((modality, rows),) = self.sides(store.index)
        index = store.index.iloc[rows]
        result = replace(classify(embedder.embed(store, rows, modality), index, self), unused=unused(store.index, self))
        tables = {} if learn_from is None else {"commonest class": commonest(index, self).table}
        tables |= {embedder.name: result.table}

        def confusion() -> "Figure":
            from gaitlab.evaluation.figures import confusion_figure  # matplotlib, which the protocols' names do without

            return confusion_figure(result.confusion)

        return Tested(
            headline=result.accuracy,
            measure="accuracy",
            metrics=finals(self.name, result.table) | {f"{self.name}/accuracy": result.accuracy},
            text=f"{embedder.name} on {store.root.name}\n{result.text()}",
            tables={
                self.name: result.table.rename_axis("row").reset_index(),
                f"{self.name}-confusion": result.confusion.rename_axis("walks of").reset_index(),
            },
            figures={f"{self.name}-confusion": confusion},
            classes=final_rows(self.name, "classes", {label: table.loc[ALL].drop("walks") for label, table in tables.items()}),
        )


@dataclass(frozen=True, repr=False)
class Classified:
    """What logits got right; all figures but counts in percent.

    table: a row for each class (precision, recall, F1) and `all` (accuracy, and the unweighted means of the classes').
    confusion: number of walks by class (rows) and by what they were taken for (columns).
    unused: a line about walks of the split without a class, or "".
    """

    protocol: str
    table: pd.DataFrame
    confusion: pd.DataFrame
    unused: str = ""

    @property
    def accuracy(self) -> float:
        return float(self.table.loc[ALL, "accuracy"])

    def __repr__(self) -> str:
        return self.text()

    def rows(self) -> list[dict[str, Any]]:
        """The table as `{"row", "metric", "value"}`, for JSON; a count is an int, what is undefined is None."""
        return table_rows(self.table)

    def text(self) -> str:
        """The tables for a terminal or a log, two decimals."""
        named = self.confusion.rename_axis(index="walks of", columns="taken for")
        return "\n".join(
            [
                f"{self.protocol}, percent and counts",
                text_table(self.table),
                str(named.to_string()),
                *([self.unused] if self.unused else []),
            ]
        )


def labelled(index: pd.DataFrame, protocol: ClassificationProtocol) -> tuple[np.ndarray, np.ndarray]:
    """int64 rows of the split with a class, and int64 positions of their classes in `protocol.classes`; every class has a walk."""
    rows = of_split(index, protocol.split, protocol.name)
    walks = index.iloc[rows]
    masks = np.stack([found(walks, Where(contains=c), f"protocol {protocol.name}: class {c}") for c in protocol.classes])
    if (several := masks.sum(0) > 1).any():
        first = int(several.argmax())
        both = " and ".join(np.array(protocol.classes)[masks[:, first]])
        raise ValueError(f"protocol {protocol.name}: {walks['key'].iloc[first]} is {both}; a walk has one class")
    return rows[masks.any(0)], masks.argmax(0)[masks.any(0)]


def classify(logits: np.ndarray | Tensor, index: pd.DataFrame, protocol: ClassificationProtocol) -> Classified:
    """`protocol` on logits, float `[n, p, classes]`, rows aligned with `index`: the mean over parts decides, of equal ones the first."""
    rows, truth = labelled(index, protocol)
    x = taken(logits, index, rows)
    if x.shape[2] != len(protocol.classes):
        raise ValueError(
            f"protocol {protocol.name} has {len(protocol.classes)} classes ({', '.join(protocol.classes)}), the network gives {x.shape[2]} "
            "numbers a part: test one that was trained to classify"
        )
    answer = x.float().mean(1).argmax(1).cpu().numpy()
    return classified(truth, answer, protocol, unused(index, protocol))


def commonest(index: pd.DataFrame, protocol: ClassificationProtocol) -> Classified:
    """What one gets for calling every walk by the commonest class: the floor that a table is read against."""
    _, truth = labelled(index, protocol)
    return classified(truth, np.full_like(truth, np.bincount(truth).argmax()), protocol)


def classified(truth: np.ndarray, answer: np.ndarray, protocol: ClassificationProtocol, line: str = "") -> Classified:
    """Figures of answers, int `[n]`. A class that is never the answer has precision 0; F1 is 0 where nothing of a class is right."""
    k = len(protocol.classes)
    confusion = np.bincount(truth * k + answer, minlength=k * k).reshape(k, k)
    right, there, said = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    table = pd.DataFrame(
        {
            "accuracy": np.nan,
            "precision": 100 * right / np.maximum(said, 1),
            "recall": 100 * right / np.maximum(there, 1),
            "F1": 200 * right / np.maximum(there + said, 1),
            "walks": there,
        },
        index=list(protocol.classes),
    )
    table.loc[ALL] = [100 * right.sum() / there.sum(), *table[["precision", "recall", "F1"]].mean(), there.sum()]
    names = list(protocol.classes)
    return Classified(protocol.name, table.astype({"walks": int}), pd.DataFrame(confusion, index=names, columns=names), line)
