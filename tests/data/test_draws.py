"""P x K draws: what they promise, whatever the number of walks per subject."""

import numpy as np
import pandas as pd
import pytest

from gaitlab.data.draws import Subjects, batch_rows, epoch_rows, generator, picks, pk_rows


def subjects(walks_of: dict[str, int], split: str = "train") -> Subjects:
    """Walks of the subjects shuffled over an index that also holds a test subject."""
    names = np.array([name for name, count in walks_of.items() for _ in range(count)] + ["zz", "zz"])
    splits = np.array([split] * sum(walks_of.values()) + ["test", "test"])
    order = np.random.default_rng(0).permutation(len(names))
    return Subjects.of(pd.DataFrame({"subject": names[order], "split": splits[order]}), split)


def test_subjects_group_the_rows_of_one_split() -> None:
    found = subjects({"b": 3, "a": 5, "10": 1})
    assert found.names == ["10", "a", "b"]
    assert np.diff(found.starts).tolist() == [1, 5, 3]
    for label in range(3):
        rows = found.rows[found.starts[label] : found.starts[label + 1]]
        assert (found.label[rows] == label).all()
    assert (found.label == -1).sum() == 2


def test_a_batch_has_p_subjects_with_k_walks_and_repeats_only_where_it_must() -> None:
    many = subjects({"a": 9, "b": 4, "c": 2, "d": 7, "e": 1})
    for step in range(200):
        rows = pk_rows(many, 4, 4, 5, step)
        labels = many.label[rows].reshape(4, 4)
        assert (labels == labels[:, :1]).all()
        assert len(set(labels[:, 0])) == 4
        for label, walks in zip(labels[:, 0], rows.reshape(4, 4), strict=True):
            size = many.starts[label + 1] - many.starts[label]
            assert size < 4 or len(set(walks)) == 4


def test_every_walk_of_every_subject_is_drawn_equally_often() -> None:
    many = subjects({"a": 6, "b": 6, "c": 6, "d": 6})
    counts = np.bincount(np.concatenate([pk_rows(many, 2, 3, 1, step) for step in range(4000)]), minlength=26)
    drawn = counts[many.rows]
    assert abs(drawn / drawn.mean() - 1).max() < 0.1


def test_a_draw_depends_on_seed_and_step_only() -> None:
    many = subjects(dict.fromkeys("abcdefgh", 5))
    later = pk_rows(many, 4, 4, 3, 41_000)
    pk_rows(many, 4, 4, 3, 7)
    assert (later == pk_rows(many, 4, 4, 3, 41_000)).all()
    assert (later != pk_rows(many, 4, 4, 3, 41_001)).any()
    assert (later != pk_rows(many, 4, 4, 4, 41_000)).any()


def test_streams_of_a_step_are_different() -> None:
    first = {int(generator(1, 2, stream).integers(2**60)) for stream in range(50)}
    assert len(first) == 50


def test_too_few_subjects_says_the_largest_p() -> None:
    with pytest.raises(ValueError, match=r"only 6 training subjects: p can be at most 6 \(--data.subjects-per-batch 6\)"):
        pk_rows(subjects(dict.fromkeys("abcdef", 2)), 8, 4, 0, 0)


def test_a_split_without_walks_is_named() -> None:
    with pytest.raises(ValueError, match="no walk of split 'validation'; it has: test, train"):
        Subjects.of(pd.DataFrame({"subject": ["a", "b"], "split": ["train", "test"]}), "validation")


@pytest.mark.parametrize("sizes", [[1, 2, 3, 40], [5, 5, 5], [1, 1], [700, 3]])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_picks_are_distinct_where_possible_and_in_range(sizes: list[int], count: int) -> None:
    rng = generator(0, 0, 0)
    for _ in range(30):
        out = picks(rng, np.array(sizes), count)
        assert out.shape == (len(sizes), count)
        for size, row in zip(sizes, out, strict=True):
            assert ((row >= 0) & (row < size)).all()
            assert size < count or len(set(row)) == count


def test_picks_are_uniform_in_every_place() -> None:
    out = picks(generator(0, 0, 0), np.full(20_000, 6), 3)
    for place in range(3):
        assert abs(np.bincount(out[:, place], minlength=6) / 20_000 - 1 / 6).max() < 0.012


def test_picks_with_counts_of_their_own() -> None:
    out = picks(generator(0, 0, 0), np.array([10, 4, 2]), np.array([3, 4, 6]))
    assert out.shape == (3, 6)
    assert len(set(out[0, :3])) == 3
    assert sorted(out[1, :4]) == [0, 1, 2, 3]
    assert set(out[2]) <= {0, 1}


def test_streamed_epochs_hold_every_row_once() -> None:
    rows = np.array([3, 5, 8, 9, 12, 20, 21])
    seen = np.concatenate([epoch_rows(rows, 3, 0, step) for step in range(14)])
    epochs = seen.reshape(6, 7)
    for epoch in epochs:
        assert sorted(epoch) == rows.tolist()
    assert (epochs[0] != epochs[1]).any()
    assert (epoch_rows(rows, 3, 0, 9) == seen[27:30]).all()


def test_walks_of_nobody_are_no_subject() -> None:
    index = pd.DataFrame({"subject": ["", "a", "b", "", "a"], "split": "train"})
    subjects = Subjects.of(index, "train")
    assert subjects.names == ["a", "b"]
    assert subjects.label.tolist() == [-1, 0, 1, -1, 0]
    assert sorted(subjects.rows.tolist()) == [1, 2, 4]
    assert sorted(batch_rows(subjects, "walks", 5, 1, 0, 0).tolist()) == [0, 1, 2, 3, 4]
    assert set(batch_rows(subjects, "subjects", 2, 2, 0, 0).tolist()) <= {1, 2, 4}
    with pytest.raises(ValueError, match=r"--data\.draw walks"):
        batch_rows(Subjects.of(index[index["subject"] == ""], "train"), "subjects", 1, 1, 0, 0)
