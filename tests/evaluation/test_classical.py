"""Discriminants of gait energy images, and single cues, on the tiny store and on clouds with a known answer."""

from dataclasses import replace

import numpy as np
import pytest

from gaitlab.data.store import Store
from gaitlab.evaluation.cues import width
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.gei import gei
from gaitlab.evaluation.lda import GeiLda, fitted
from tests.evaluation.galleries import noise, perfect, walkers
from tests.evaluation.test_baseline_and_figures import THREE


def people(seed: int, number: int, each: int, d: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Persons differ in the first 3 of d directions, by 1; walks of one person by 4 in the others, by 0.2 in those."""
    rng = np.random.default_rng(seed)
    spread = np.where(np.arange(d) < 3, 0.2, 4.0)
    x = rng.normal(size=(number, 1, d)) * (np.arange(d) < 3) + rng.normal(size=(number, each, d)) * spread
    return x.reshape(-1, d), np.repeat(np.arange(number), each)


def nearest(x: np.ndarray, labels: np.ndarray) -> float:
    apart = np.linalg.norm(x[:, None] - x[None], axis=2) + np.where(np.eye(len(x)), np.inf, 0)
    return float((labels[apart.argmin(1)] == labels).mean())


@pytest.mark.parametrize("each", [4, 12], ids=["fewer images than pixels", "more"])
def test_discriminants_of_other_people_find_what_tells_people_apart(each: int) -> None:
    x, labels = people(0, 4 if each == 4 else 60, each)
    learnt = GeiLda.fit(x, labels, components=20, directions=3)
    assert learnt.directions.shape == (20, 3)
    if each == 12:
        other, names = people(1, 15, 6)
        assert nearest(other, names) < 0.3
        assert nearest(learnt.transform(other[:, None])[:, 0], names) > 0.7
        assert np.abs(learnt.directions[3:]).max() < 0.1 * np.abs(learnt.directions[:3]).max()


def test_directions_against_the_textbook() -> None:
    """Without shrinkage and with all components: leading solutions of S_b w = lambda S_w w, in float64 by inversion."""
    x, labels = people(2, 12, 9, d=6)
    learnt = GeiLda.fit(x, labels, components=6, directions=2, shrinkage=0)
    within, between, mean = np.zeros((6, 6)), np.zeros((6, 6)), x.mean(0)
    for person in np.unique(labels):
        own = x[labels == person]
        for row in own:
            within += np.outer(row - own.mean(0), row - own.mean(0))
        between += len(own) * np.outer(own.mean(0) - mean, own.mean(0) - mean)
    values, vectors = np.linalg.eig(np.linalg.solve(within, between))
    leading = vectors.real[:, np.argsort(-values.real)[:2]]
    for ours, theirs in zip(learnt.directions.T, leading.T, strict=True):
        assert abs(ours @ theirs) == pytest.approx(np.linalg.norm(ours) * np.linalg.norm(theirs), rel=1e-6)
        assert ours @ within @ ours / len(x) == pytest.approx(1)
    z = learnt.transform(x[:, None])
    np.testing.assert_allclose(np.linalg.norm(z, axis=2), 1, rtol=1e-5)
    assert z.dtype == np.float32


def test_what_cannot_be_learnt_from() -> None:
    x = np.random.default_rng(0).normal(size=(6, 4))
    with pytest.raises(ValueError, match="6 images of 1 people: discriminants need two people or more"):
        GeiLda.fit(x, np.zeros(6))
    with pytest.raises(ValueError, match=r"6 images of 6 people: .* and two images of some"):
        GeiLda.fit(x, np.arange(6))


def test_discriminants_of_the_tiny_store(tiny_store: Store) -> None:
    rows = np.flatnonzero((tiny_store.index["split"] == "test").to_numpy())
    learnt = fitted(tiny_store)
    assert learnt is not None
    embedded = learnt.transform(gei(tiny_store, rows))
    again = GeiLda.fit(*_training(tiny_store)).transform(gei(tiny_store, rows))
    np.testing.assert_array_equal(embedded, again)
    result = evaluate(embedded, tiny_store.index.iloc[rows], THREE)
    assert result.rank1 > 100 / 3  # three people, whom it has not learnt from
    assert fitted(tiny_store, ("depth",)) is None


def _training(store: Store) -> tuple[np.ndarray, np.ndarray]:
    rows = np.flatnonzero((store.index["split"] == "train").to_numpy())
    return gei(store, rows)[:, 0], store.index["subject"].to_numpy()[rows]


def test_width_by_hand(tiny_store: Store) -> None:
    rows = np.array([7, 2])
    for i, row in enumerate(rows):
        widths = []
        for frame in tiny_store.frames("silhouette").walk(int(row))[:, 0]:
            widths.append(np.mean([(line > 0).sum() for line in frame if line.any()]))
        assert width(tiny_store, rows)[i, 0, 0] == pytest.approx(np.mean(widths) / 64)
    assert width(tiny_store, rows).shape == (2, 1, 1)


def test_gallery_of_another_modality() -> None:
    """Probes are compared with the gallery's own embeddings, row by row of the same index."""
    index = walkers(8)
    crossed = replace(THREE, modality=("silhouette", "range"))
    seen, scanned = perfect(index), perfect(index)[:, :, ::-1].copy()
    assert evaluate(seen, index, crossed, gallery=seen).rank1 == pytest.approx(100)
    assert evaluate(seen, index, crossed, gallery=scanned).rank1 < 60
    first = (index["session"] == "1").to_numpy()[:, None, None]
    parts = np.where(first, np.nan, seen), np.where(first, seen, np.nan)  # each side is looked at where it is used only
    assert evaluate(parts[0], index, crossed, gallery=parts[1]).rank1 == pytest.approx(100)
    with pytest.raises(ValueError, match="gallery of another modality than its probes: give its embeddings as gallery="):
        evaluate(seen, index, crossed)
    with pytest.raises(ValueError, match=r"probes \(2, 8\) and of the gallery \(3, 8\) cannot be compared"):
        evaluate(seen, index, crossed, gallery=noise(index, parts=3))
