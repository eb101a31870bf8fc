"""Checkpoints: atomic, weights only, pruned, compared field by field."""

import json
import pickle
from pathlib import Path

import pytest
import torch

from experiments import supervised
from gaitlab.config import override, to_dict
from gaitlab.home import write_plain
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import read_outcome, write_outcome
from gaitlab.runs.summary import Summary
from gaitlab.tracking.spool import Point, Spool


def test_round_trip(tmp_path: Path) -> None:
    path = checkpoint.step_path(tmp_path, 7)
    checkpoint.write(path, {"step": 7, "w": torch.arange(3)})
    state = checkpoint.read(path)
    assert state["step"] == 7
    assert state["w"].tolist() == [0, 1, 2]
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000007.pt"]


class Boom:
    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (print, ("code ran",))


def test_code_in_a_checkpoint_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"format": 1, "bad": Boom()}, tmp_path / "step-00000001.pt")
    (tmp_path / "step-00000002.pt").write_bytes(pickle.dumps(Boom()))
    for step in (1, 2):
        with pytest.raises(ValueError, match="not a readable checkpoint"):
            checkpoint.read(checkpoint.step_path(tmp_path, step))
    assert "code ran" not in capsys.readouterr().out


def test_an_empty_file_and_another_network_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "step-00000001.pt").touch()
    with pytest.raises(ValueError, match=r"cut or damaged"):
        checkpoint.read(checkpoint.step_path(tmp_path, 1))
    with pytest.raises(ValueError, match=r"does not fit the network.*weight") as caught:
        checkpoint.restore(torch.nn.Linear(2, 3), {"bias": torch.zeros(3)}, "it")
    assert "\n" not in str(caught.value)


def test_newest_passes_over_a_damaged_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (1, 2):
        checkpoint.write(checkpoint.step_path(tmp_path, step), {"step": step, "w": torch.zeros(1000)})
    whole = checkpoint.step_path(tmp_path, 2).read_bytes()
    checkpoint.step_path(tmp_path, 2).write_bytes(whole[: len(whole) // 2])
    state = checkpoint.newest(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert "passed over" in capsys.readouterr().out


def test_no_bit_of_a_checkpoint_changes_a_weight_silently(tmp_path: Path) -> None:
    path = checkpoint.step_path(tmp_path, 1)
    weights = torch.randn(100, generator=torch.Generator().manual_seed(0))
    checkpoint.write(path, {"step": 1, "w": weights})
    content, refused = path.read_bytes(), 0
    for byte in range(7, len(content), 41):
        damaged = bytearray(content)
        damaged[byte] ^= 1 << byte % 8
        path.write_bytes(damaged)
        try:
            state = checkpoint.read(path)
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017  (either is right: padding holds nothing)
            refused += 1
        else:
            assert state["step"] == 1
            assert torch.equal(state["w"], weights)
    assert refused > 10


def test_a_file_of_ours_says_whether_it_is_what_was_written(tmp_path: Path) -> None:
    """Figures, configs, the book: a digit that is another is no other figure."""
    path, lines = tmp_path / "outcome.json", tmp_path / "spool"
    summary = Summary(metrics={"walkers/rank1": 71.7, "odd": float("nan")}, headline=71.7)
    write_outcome(tmp_path, summary)
    assert read_outcome(tmp_path).headline == 71.7  # type: ignore[union-attr]
    path.write_text(path.read_text().replace('"walkers/rank1": 71.7', '"walkers/rank1": 31.7'))
    with pytest.raises(ValueError, match=r"outcome.json is damaged \(its content is not what was written\); delete it"):
        read_outcome(tmp_path)
    write_plain(path, {"metrics": {}, "subjects": {}})
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in plain.items() if key != "sum"}))
    assert read_outcome(tmp_path) is not None, "one of before"
    spool = Spool(lines)
    spool.add([Point("loss", 1.5, 1, 0), Point("loss", 2.5, 2, 0)])
    file = lines / "metrics.jsonl"
    file.write_text(file.read_text().replace("1.5", "7.5"))
    assert [point.value for point in spool.points()] == [2.5]


def test_only_damaged_checkpoints_are_no_new_start(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path) is None
    checkpoint.step_path(tmp_path, 3).write_bytes(b"PK")
    with pytest.raises(ValueError, match="none of the checkpoints"):
        checkpoint.newest(tmp_path)


def test_a_full_disk_leaves_nothing_half_written() -> None:
    folder = Path("/dev/shm/gaitlab-test-full")
    folder.mkdir(exist_ok=True)
    try:
        with pytest.raises(OSError, match=r"No space left|could not write|File too large"):
            _write_with_small_file_limit(folder)
        assert not list(folder.iterdir())
    finally:
        folder.rmdir()


def _write_with_small_file_limit(folder: Path) -> None:
    import resource
    import signal

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        checkpoint.write(folder / "step-00000001.pt", {"w": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def test_prune_keeps_newest_and_best(tmp_path: Path) -> None:
    for step in range(1, 7):
        checkpoint.write(checkpoint.step_path(tmp_path, step), {"step": step})
    (tmp_path / ".step-00000004.pt.123.partial").write_bytes(b"killed")
    checkpoint.prune(tmp_path, keep=2, best=3)
    assert list(checkpoint.found(tmp_path)) == [3, 5, 6]
    assert not list(tmp_path.glob(".*"))


def test_another_config_is_refused_field_by_field() -> None:
    demo = supervised.DEMO
    state = {"config": json.dumps(to_dict(demo)), "data_hash": "a" * 64}
    checkpoint.check_same(state, override(demo, {"train.log_every": 7, "scale.workers": 4, "benchmarks": ()}), "a" * 64, "it")
    slower = override(demo, {"optim.lr": 0.5, "optim.clip_norm": 10.0})
    assert checkpoint.check_same(state, slower, "a" * 64, "it") == ["optim.clip_norm: None -> 10.0", f"optim.lr: {demo.optim.lr} -> 0.5"]
    changed = override(slower, {"train.steps": 5, "method.clip.frames": 3})
    with pytest.raises(ValueError, match="another config") as caught:
        checkpoint.check_same(state, changed, "b" * 64, "it")
    text = str(caught.value)
    assert "optim.lr" not in text, "that may change"
    assert f"train.steps: {demo.train.steps} -> 5" in text
    assert "method.clip.frames" in text
    assert "data: aaaaaaaaaaaa -> bbbbbbbbbbbb" in text
