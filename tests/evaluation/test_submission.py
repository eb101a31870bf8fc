import csv
import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gaitlab.evaluation.protocol import Where
from gaitlab.evaluation.protocols import GREW_SUBMISSION, HID, HID_RERANKED, protocol, retrieval
from gaitlab.evaluation.rerank import reranking
from gaitlab.evaluation.retrieval import distances
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from gaitlab.evaluation.submission import SubmissionProtocol, read_back, submit
from tests.evaluation.galleries import index, noise, perfect

SHORT = dataclasses.replace(GREW_SUBMISSION, header=("videoId", "rank1", "rank2", "rank3"))


def grew(subjects: int) -> pd.DataFrame:
    """Two labelled videos of each person, and three whose person is not published (`truth`)."""
    rows = [(s, f"{session:02d}", "") for s in range(1, subjects + 1) for session in (1, 2)]
    rows += [(s, "03", "probe") for s in range(1, subjects + 1) for _ in range(3)]
    walks = index(
        {"subject": role or f"{s:05d}", "session": session, "take": f"v{i:03d}", "view": "", "role": role}
        for i, (s, session, role) in enumerate(rows)
    )
    return walks.assign(truth=[f"{s:05d}" for s, _, _ in rows])


def embedded(walks: pd.DataFrame, spread: float = 0.0) -> np.ndarray:
    return perfect(walks.assign(subject=walks["truth"])) + spread * noise(walks, 3)


def read(text: str) -> tuple[list[str], list[list[str]]]:
    header, *lines = csv.reader(io.StringIO(text))
    return header, lines


def test_a_perfect_embedder_names_everybody() -> None:
    walks = grew(12)
    header, lines = read(submit(embedded(walks), walks, GREW_SUBMISSION).csv)
    assert header == ["videoId", *(f"rank{k}" for k in range(1, 21))]
    probes = walks[walks["role"] == "probe"]
    assert [line[0] for line in lines] == probes["take"].tolist()
    own = [str(int(subject)) for subject in probes["truth"]]  # no leading zeros
    assert [line[1:3] for line in lines] == [[name, name] for name in own]  # both walks of the person, then others
    assert all(line[1] not in line[3:] for line in lines)


def test_against_a_loop() -> None:
    walks = grew(9).sample(frac=1, random_state=2).reset_index(drop=True)
    x = embedded(walks, 2.0)
    _, lines = read(submit(x, walks, SHORT, budget=500).csv)
    gallery = np.flatnonzero(walks["role"] == "")
    probes = np.flatnonzero(walks["role"] == "probe")
    assert [line[0] for line in lines] == walks["take"][probes].tolist()
    for i, line in zip(probes, lines, strict=True):
        apart = distances(torch.from_numpy(x[i : i + 1]), torch.from_numpy(x[gallery]), "euclidean")[0].numpy()
        assert line[1:] == [str(int(walks["subject"][gallery[j]])) for j in np.argsort(apart, kind="stable")[:3]]


def test_the_text_is_as_the_server_reads_it() -> None:
    walks = grew(2)
    text = submit(embedded(walks), walks, dataclasses.replace(HID, video="take")).csv
    assert text == "videoID,label\n" + "".join(f"v{4 + i:03d},{1 + i // 3:05d}\n" for i in range(6))


def test_reranked_labels_are_those_of_the_reranked_distances() -> None:
    walks = grew(15)
    x = embedded(walks, 1.6)
    asked = dataclasses.replace(HID_RERANKED, video="take")
    assert asked.rerank is not None
    assert HID.rerank is None
    probe = (walks["role"] == "probe").to_numpy()
    final = reranking(torch.from_numpy(x[probe]), torch.from_numpy(x[~probe]), asked.rerank)(slice(None)).numpy()
    text = submit(x, walks, asked, budget=2000).csv
    assert [label for _, label in read(text)[1]] == walks["subject"][~probe].to_numpy()[final.argmin(1)].tolist()
    assert text != submit(x, walks, dataclasses.replace(asked, rerank=None)).csv


def test_the_methods_distance_counts_where_the_protocol_has_none() -> None:
    walks = grew(9)
    x = embedded(walks, 1.0) * np.random.default_rng(1).uniform(0.2, 5, (len(walks), 1, 1)).astype(np.float32)
    free = dataclasses.replace(SHORT, distance=None)
    assert submit(x, walks, free, distance="cosine").csv == submit(x, walks, dataclasses.replace(SHORT, distance="cosine")).csv
    assert submit(x, walks, free, distance="cosine").csv != submit(x, walks, SHORT, distance="cosine").csv


def test_writing_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walks = grew(3)
    made = submit(embedded(walks), walks, SHORT)
    path = made.file().write(tmp_path / "submissions" / "grew.csv")
    assert path.read_bytes() == made.csv.encode()
    assert b"\r" not in path.read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        dataclasses.replace(made, csv="other").file().write(path)
    assert path.read_bytes() == made.csv.encode()


GOOD = "videoId,rank1,rank2,rank3\na,1,2,1\nb,2,1,1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line is '';"),
        (GOOD.replace("rank3", "rank4"), "the first line is 'videoId,rank1,rank2,rank4'; it should be 'videoId,rank1,rank2,rank3'"),
        (GOOD.replace("a,1,2,1", "a,1,2"), "line 2 has 3 columns; the header has 4"),
        (GOOD.replace("b,", "a,"), "line 3 is about 'a', which is no probe or was there before"),
        (GOOD.replace("b,", "c,"), "line 3 is about 'c', which is no probe"),
        (GOOD.replace("b,2", "b,3"), "line 3 has the label '3', which nobody of the gallery has"),
        (GOOD.replace("b,2,1,1\n", ""), "1 probes lack a line, e.g. 'b'"),
    ],
)
def test_a_wrong_file_is_told(text: str, message: str) -> None:
    read_back(GOOD, SHORT, ["a", "b"], ["1", "2"])
    with pytest.raises(ValueError, match="submission for grew-submission: ") as error:
        read_back(text, SHORT, ["a", "b"], ["1", "2"])
    assert message in str(error.value)


def changed(walks: pd.DataFrame, row: int, **values: str) -> pd.DataFrame:
    return walks.assign(**{name: [value if i == row else old for i, old in enumerate(walks[name])] for name, value in values.items()})


def test_walks_that_cannot_be_submitted() -> None:
    walks = grew(3)
    x = embedded(walks)
    cases = [
        (changed(walks, 7, take="v008"), SHORT, "2 probes have the take 'v008'; each video needs a name of its own"),
        (changed(walks, 7, take=""), SHORT, "has no take to name its video by"),
        (changed(walks, 0, subject="x1"), SHORT, "labels are numbers, and the gallery's subject 'x1' is none"),
        (changed(walks, 0, subject="٣"), SHORT, "is none"),
        (changed(walks, 0, subject="0001"), SHORT, "4 subjects become 3 labels as numbers"),
        (changed(walks, 0, subject=""), SHORT, "has no subject"),
        (walks, GREW_SUBMISSION, "a line names 20 walks of the gallery, which has 6"),
        (walks.assign(role=""), SHORT, "the probes (role probe) matches none of the 15 walks; they have role (none)"),
        (walks.assign(session="07"), SHORT, "the gallery (session 01 | 02) matches none of the 15 walks; they have session 07"),
        (walks.assign(split="train"), SHORT, "no walk of split 'test'; the index has 'train' (15 walks)"),
        (walks, dataclasses.replace(SHORT, gallery=Where()), "is in the gallery and a probe"),
    ]
    for frame, asked, message in cases:
        with pytest.raises(ValueError, match="protocol grew-submission: ") as error:
            submit(x, frame, asked)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    x[2, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1 embeddings are NaN or infinite: 00002/01"):
        submit(x, walks, SHORT)


def test_files_are_no_scores() -> None:
    assert not HID.scored
    assert isinstance(protocol("grew-submission"), SubmissionProtocol)
    assert isinstance(retrieval("grew"), RetrievalProtocol)
    with pytest.raises(ValueError, match="protocol 'hid' has no rank-1; those that have it are casia-b, "):
        retrieval("hid")


def test_a_walk_of_no_set_is_counted() -> None:
    walks = grew(3)
    assert submit(embedded(walks), walks, SHORT).unused == ""
    strange = changed(walks, 0, session="04")
    assert submit(embedded(walks), strange, SHORT).unused == "1 of 15 test walks are in no set: session 04 (1)"
