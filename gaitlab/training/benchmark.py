"""A network on a benchmark: embeddings, and what its kind of protocol makes of them: a ranking, classes or a file.

Beside a ranking and classes stand the figures that they have to be read against.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gaitlab.data.clips import stored_modality, walk_frames
from gaitlab.data.feed import clip_lengths
from gaitlab.data.store import Store
from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.classification import ALL, ClassificationProtocol, Classified, classify, commonest
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.figures import bars_figure, cmc_figure, confusion_figure, open_set_figure, score_figure, views_figure
from gaitlab.evaluation.gei import gei
from gaitlab.evaluation.lda import fitted
from gaitlab.evaluation.protocol import AnyProtocol, RetrievalProtocol, select
from gaitlab.evaluation.result import Result
from gaitlab.evaluation.submission import SubmissionProtocol, submit
from gaitlab.evaluation.unused import unused
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.runs.summary import Summary
from gaitlab.training.border import Run, Tracker
from gaitlab.training.embed import embed
from gaitlab.types import Modality


def check(experiment: Experiment, store: Store, protocol: AnyProtocol) -> None:
    """ValueError, before anything is trained, if the store lacks what the protocol or the method's test clips ask for."""
    takes = experiment.method.channels()
    for modality, walks in protocol.sides(store.index):
        clips = experiment.method.test_clips(modality)
        for role, spec in clips.items():
            lacking = walks[walk_frames(store, spec.modality)[walks] == 0]
            if len(lacking):
                raise ValueError(
                    f"{len(lacking)} test walks of {store.root.name} have no {spec.modality} frames, "
                    f"the first is {store.index['key'].iloc[lacking[0]]!r}"
                )
            stored = stored_modality(store, spec.modality)
            channels = store.manifest["modalities"][stored]["shape"][0] if stored == spec.modality else 2  # drawn: joints, limbs
            if takes.get(role, channels) != channels:
                raise ValueError(
                    f"protocol {protocol.name}: {spec.modality} frames of {store.root.name} are {channels}-channel, "
                    f"the network of {experiment.name} takes {takes[role]}-channel ones; test it on another modality, or train one with "
                    f"--method.backbone.in-channels {channels}"
                )
        clip_lengths(store, clips, walks)


def score(experiment: Experiment, method: Method, store: Store, protocol: AnyProtocol, run: Run) -> float:
    """Percent that a protocol comes down to, on every rank: rank-1 or accuracy."""
    if isinstance(protocol, RetrievalProtocol):
        return rank(experiment, method, store, protocol, run)[0].rank1
    if isinstance(protocol, ClassificationProtocol):
        return _classes(experiment, method, store, protocol, run)[0].accuracy
    raise ValueError(f"protocol {protocol.name} makes a file and no score; give one that scores, e.g. --validation walkers@validation")


def rank(experiment: Experiment, method: Method, store: Store, protocol: RetrievalProtocol, run: Run) -> tuple[Result, np.ndarray]:
    """The protocol's result and the rows of the store that it used, on every rank."""
    chosen = select(store.index, protocol)
    rows = np.union1d(chosen.probes, chosen.gallery)

    def of(walks: np.ndarray, modality: Modality | None) -> np.ndarray:
        return embed(method, store, walks, experiment.method.test_clips(modality), run)

    return _evaluated(of, store, rows, protocol, distance=method.distance, device=run.device), rows


def _classes(
    experiment: Experiment, method: Method, store: Store, protocol: ClassificationProtocol, run: Run
) -> tuple[Classified, np.ndarray]:
    """The same for classes."""
    ((modality, rows),) = protocol.sides(store.index)
    logits = embed(method, store, rows, experiment.method.test_clips(modality), run)
    return classify(logits, store.index.iloc[rows], protocol), rows


def _evaluated(
    of: Callable[[np.ndarray, Modality | None], np.ndarray], store: Store, rows: np.ndarray, protocol: RetrievalProtocol, **options: Any
) -> Result:
    """`evaluate` on the embeddings `of(rows of the store, modality)`, each side's from its own modality."""
    index = store.index.iloc[rows]
    sides = []
    for modality, walks in protocol.sides(index):
        embedded = of(rows[walks], modality)
        side = np.zeros((len(rows), *embedded.shape[1:]), np.float32)
        side[walks] = embedded
        sides.append(side)
    return evaluate(sides[0], index, protocol, gallery=sides[-1], **options)


def classical(store: Store, rows: np.ndarray, protocol: RetrievalProtocol, train_store: Store | None = None) -> dict[str, Result]:
    """Nearest neighbours of gait energy images, and of their discriminants (Han and Bhanu, TPAMI 2006) if there are training people
    in `store` or else in `train_store`. Silhouettes unless the protocol says otherwise; nothing where `rows` lack them."""
    modalities = tuple(dict.fromkeys(protocol.modality or ("silhouette",)))
    if not all(m in ("silhouette", "range") and m in store.modalities and (walk_frames(store, m)[rows] > 0).all() for m in modalities):
        return {}

    def images(walks: np.ndarray, modality: Modality | None) -> np.ndarray:
        return gei(store, walks, modality=modality or "silhouette")

    results = {"GEI": _evaluated(images, store, rows, protocol)}
    learnt = fitted(store, modalities) or (fitted(train_store, modalities) if train_store else None)
    if learnt is not None and len(learnt.mean) == images(rows[:1], modalities[0]).shape[2]:
        results["GEI + LDA"] = _evaluated(lambda walks, modality: learnt.transform(images(walks, modality)), store, rows, protocol)
    return results


def report(
    experiment: Experiment,
    method: Method,
    store: Store,
    protocol: AnyProtocol,
    run: Run,
    tracker: Tracker,
    train_store: Store | None = None,
) -> Summary:
    """Test, print the tables, hand tables and plots to the tracker; of a submission, write the file and say where it is.

    train_store: where the classical rows' discriminants are learnt if `store` has no training people of its own.
    """
    if isinstance(protocol, RetrievalProtocol):
        return _report_ranking(experiment, method, store, protocol, run, tracker, train_store)
    if isinstance(protocol, ClassificationProtocol):
        return _report_classes(experiment, method, store, protocol, run, tracker)
    if isinstance(protocol, SubmissionProtocol):
        return _report_file(experiment, method, store, protocol, run, tracker)
    raise TypeError(f"{type(protocol).__name__} is no kind of protocol that can be reported")


def _report_ranking(
    experiment: Experiment,
    method: Method,
    store: Store,
    protocol: RetrievalProtocol,
    run: Run,
    tracker: Tracker,
    train_store: Store | None,
) -> Summary:
    """Beside the network stand chance and the classical rows."""
    result, rows = rank(experiment, method, store, protocol, run)
    if run.rank > 0:
        return Summary(headline=result.rank1)
    index, name = store.index.iloc[rows], experiment.name
    results = classical(store, rows, protocol, train_store) | {name: replace(result, unused=unused(store.index, protocol))}
    for label, r in results.items():
        print(f"\n{label} on {store.root.name}\n{r.text()}", flush=True)

    tables = {"chance": chance(index, protocol)} | {label: r.table for label, r in results.items()}
    rank1 = pd.DataFrame({label: table["rank-1"] for label, table in tables.items()}).T
    rank1.index = pd.MultiIndex.from_product([[protocol.name], rank1.index], names=["benchmark", "rank-1 (%)"])
    metrics = _finals(protocol, result.rows()) | {f"{protocol.name}/rank1": result.rank1}
    tracker.final(metrics)
    tracker.table(protocol.name, result.table.rename_axis("row").reset_index())
    tracker.table(f"{protocol.name}-rank1", rank1.reset_index())
    tracker.figure(f"{protocol.name}-rank1", bars_figure({label: table["rank-1"] for label, table in tables.items()}))
    tracker.figure(f"{protocol.name}-cmc", cmc_figure({label: r.cmc for label, r in results.items()}))
    tracker.figure(f"{protocol.name}-scores", score_figure(result.positives, result.negatives))
    if result.curves:
        tracker.figure(f"{protocol.name}-open-set", open_set_figure({label: r.curves for label, r in results.items()}))
    for probes in result.matrices:
        tracker.figure(f"{protocol.name}-views-{probes}", views_figure({label: r.matrices[probes] for label, r in results.items()}))
    shares = {row.subject: (row.share, row.hits) for row in result.subjects.itertuples()}
    return Summary(rank1=rank1, headline=result.rank1, metrics=metrics, subjects={protocol.name: shares})


def _finals(protocol: AnyProtocol, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Cells of a table as a run's final metrics."""
    return {f"{protocol.name}/{row['row']}/{row['metric']}": row["value"] for row in rows if row["value"] is not None}


def _report_classes(
    experiment: Experiment, method: Method, store: Store, protocol: ClassificationProtocol, run: Run, tracker: Tracker
) -> Summary:
    """Beside the network stands the commonest class as the answer to everything."""
    result, rows = _classes(experiment, method, store, protocol, run)
    if run.rank > 0:
        return Summary(headline=result.accuracy, measure="accuracy")
    result = replace(result, unused=unused(store.index, protocol))
    print(f"\n{experiment.name} on {store.root.name}\n{result.text()}", flush=True)
    floor = commonest(store.index.iloc[rows], protocol)
    tables = {"commonest class": floor.table, experiment.name: result.table}
    classes = pd.DataFrame({label: table.loc[ALL].drop("walks") for label, table in tables.items()}).T
    classes.index = pd.MultiIndex.from_product([[protocol.name], classes.index], names=["benchmark", "classes (%)"])
    metrics = _finals(protocol, result.rows()) | {f"{protocol.name}/accuracy": result.accuracy}
    tracker.final(metrics)
    tracker.table(protocol.name, result.table.rename_axis("row").reset_index())
    tracker.table(f"{protocol.name}-confusion", result.confusion.rename_axis("walks of").reset_index())
    tracker.figure(f"{protocol.name}-confusion", confusion_figure(result.confusion))
    return Summary(classes=classes, headline=result.accuracy, measure="accuracy", metrics=metrics)


def _report_file(experiment: Experiment, method: Method, store: Store, protocol: SubmissionProtocol, run: Run, tracker: Tracker) -> Summary:
    """The file lies in the run's folder, under `submissions/`, and is an artifact of that name."""
    ((modality, rows),) = protocol.sides(store.index)
    embeddings = embed(method, store, rows, experiment.method.test_clips(modality), run)
    if run.rank > 0:
        return Summary()
    made = submit(embeddings, store.index.iloc[rows], protocol, distance=method.distance, device=run.device)
    path = made.write(run.results / "submissions" / f"{protocol.name}.csv")
    tracker.text(f"submissions/{protocol.name}.csv", made.csv)
    line = f"submission for {protocol.name}: {path} ({made.csv.count(chr(10)) - 1} probes)" + (f"; {made.how}" if made.how else "")
    print("\n".join(["", line, *filter(None, [unused(store.index, protocol)])]), flush=True)
    return Summary(files=(line,))
