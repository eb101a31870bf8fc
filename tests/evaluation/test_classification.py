import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from gaitlab.evaluation.classification import ALL, ClassificationProtocol, classify, commonest
from gaitlab.evaluation.figures import confusion_figure
from gaitlab.evaluation.protocols import SCOLIOSIS1K
from tests.evaluation.galleries import index

COUNTS = {"negative": 5, "neutral": 3, "positive": 12}


def walks(counts: dict[str, int] | None = None) -> pd.DataFrame:
    kinds = [kind for kind, count in (counts or COUNTS).items() for _ in range(count)]
    return index({"subject": f"{i:05d}", "conditions": (kind,) if kind else ()} for i, kind in enumerate(kinds))


def logits(frame: pd.DataFrame, seed: int = 0, shift: float = 0.0, parts: int = 4) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((len(frame), parts, 3)).astype(np.float32)
    x[np.arange(len(x)), :, [SCOLIOSIS1K.classes.index(c[0]) for c in frame["conditions"]]] += shift
    return x


def test_a_perfect_network_gets_all() -> None:
    frame = walks()
    result = classify(logits(frame, shift=50), frame, SCOLIOSIS1K)
    assert result.accuracy == 100
    assert (result.table[["precision", "recall", "F1"]].to_numpy() == 100).all()
    assert result.table["walks"].tolist() == [5, 3, 12, 20]
    np.testing.assert_array_equal(result.confusion, np.diag([5, 3, 12]))


def test_a_random_network_gets_a_third() -> None:
    frame = walks({"negative": 400, "neutral": 300, "positive": 200})
    seen = classify(logits(frame), frame, SCOLIOSIS1K).table.loc[ALL]
    assert seen["accuracy"] == pytest.approx(100 / 3, abs=5)
    assert seen["recall"] == pytest.approx(100 / 3, abs=5)


def test_figures_against_loops() -> None:
    frame = walks()
    x = logits(frame, 1, shift=0.4)
    table = classify(x, frame, SCOLIOSIS1K).table
    truth = [c[0] for c in frame["conditions"]]
    answers = [SCOLIOSIS1K.classes[int(np.argmax(walk.mean(0)))] for walk in x]
    f1 = []
    for name in SCOLIOSIS1K.classes:
        right = sum(t == a == name for t, a in zip(truth, answers, strict=True))
        precision, recall = 100 * right / answers.count(name), 100 * right / truth.count(name)
        assert table.loc[name, ["precision", "recall"]].tolist() == pytest.approx([precision, recall])
        f1.append(2 * precision * recall / (precision + recall))
    assert table["F1"].tolist() == pytest.approx([*f1, np.mean(f1)])
    assert table.loc[ALL, "accuracy"] == pytest.approx(100 * np.mean([t == a for t, a in zip(truth, answers, strict=True)]))
    assert table.loc[ALL, "precision"] == pytest.approx(table["precision"].iloc[:3].mean())
    assert 30 < table.loc[ALL, "accuracy"] < 100


def test_the_parts_vote_with_their_mean() -> None:
    frame = walks({"negative": 1, "neutral": 1, "positive": 1})
    x = np.zeros((3, 3, 3), np.float32)
    x[:, :, 0] = 1  # all parts say negative,
    x[1, 0, 1] = x[2, 0, 2] = 10  # one is very sure of something else
    assert classify(x, frame, SCOLIOSIS1K).accuracy == 100


def test_the_commonest_class_is_the_floor() -> None:
    floor = commonest(walks(), SCOLIOSIS1K).table
    assert floor.loc[ALL, ["accuracy", "precision", "recall"]].tolist() == pytest.approx([60, 20, 100 / 3])
    assert floor.loc["negative", ["precision", "recall", "F1"]].tolist() == [0, 0, 0]
    assert floor.loc["positive", ["precision", "recall", "F1"]].tolist() == pytest.approx([60, 100, 75])


def test_walks_without_a_class_take_no_part() -> None:
    frame = walks(COUNTS | {"": 4})
    x = np.concatenate([logits(frame[:20], shift=50), np.full((4, 4, 3), np.nan, np.float32)])
    result = classify(x, frame, SCOLIOSIS1K)
    assert result.accuracy == 100
    assert result.unused == "4 of 24 test walks are in no set: conditions (plain) (4)"
    assert result.text().endswith(result.unused)


def test_wrong_input_is_told() -> None:
    frame = walks()
    cases = [
        (
            walks({"negative": 3, "positive": 2}),
            5,
            r"class neutral \(contains neutral\) matches none of the 5 walks; they have conditions negative | positive",
        ),
        (frame.assign(split="train"), 20, "no walk of split 'test'"),
        (
            pd.concat([frame, index([{"subject": "x", "conditions": ("neutral", "positive")}])]),
            21,
            "is neutral and positive; a walk has one class",
        ),
    ]
    for wrong, n, message in cases:
        with pytest.raises(ValueError, match=message):
            classify(np.zeros((n, 2, 3), np.float32), wrong, SCOLIOSIS1K)
    with pytest.raises(ValueError, match=r"has 3 classes \(negative, neutral, positive\), the network gives 8 numbers a part"):
        classify(np.zeros((20, 2, 8), np.float32), frame, SCOLIOSIS1K)
    x = logits(frame)
    x[7, 0, 0] = np.inf
    with pytest.raises(ValueError, match=f"1 embeddings are NaN or infinite: {frame['key'][7]}"):
        classify(x, frame, SCOLIOSIS1K)


def test_what_is_printed_and_stored() -> None:
    frame = walks()
    result = classify(logits(frame, shift=0.3), frame, SCOLIOSIS1K)
    rows = json.loads(json.dumps(result.rows()))
    assert {"row": "positive", "metric": "walks", "value": 12} in rows
    assert {"row": "all", "metric": "accuracy", "value": result.accuracy} in rows
    assert {"row": "positive", "metric": "accuracy", "value": None} in rows
    text = result.text()
    assert text.startswith("scoliosis1k, percent and counts\n")
    assert f"{result.accuracy:.2f}" in text
    assert "taken for" in text


def test_the_picture_shows_counts_and_shares() -> None:
    frame = walks()
    result = classify(logits(frame, shift=0.3), frame, SCOLIOSIS1K)
    axes = confusion_figure(result.confusion).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(SCOLIOSIS1K.classes)
    wanted = [f"{count}\n{100 * count / row.sum():.0f} %" for row in result.confusion.to_numpy() for count in row]
    assert [text.get_text() for text in axes.texts] == wanted


def test_any_condition_can_be_a_class() -> None:
    frame = index({"subject": str(i), "conditions": ("bag",) if i % 2 else ("clothing",)} for i in range(6))
    own = ClassificationProtocol(name="own", classes=("clothing", "bag"))
    x = np.zeros((6, 1, 2), np.float32)
    x[np.arange(6), 0, np.arange(6) % 2] = 1
    assert classify(x, frame, own).accuracy == 100
    assert classify(x[:, :, ::-1].copy(), frame, own).accuracy == 0
    assert dataclasses.replace(own, split="train").scored
