"""The command line as a user meets it: help, suggestions, one clear line on errors, resume."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from experiments import supervised
from gaitlab import command
from gaitlab.data.store import Store
from gaitlab.guard import printable
from tests.processes import Started, pipeline, script

TINY_DATA = [
    "--data.root", "tiny", "--data.make.name", "tiny", "--data.make.train-subjects", "6", "--data.make.validation-subjects", "2",
    "--data.make.test-subjects", "3", "--data.make.views", "0", "90", "--data.make.takes", "1", "--data.make.frames", "12", "18",
    "--data.subjects-per-batch", "4", "--data.walks-per-subject", "2", "--train.checkpoint-every", "2", "--train.log-every", "1",
]  # fmt: skip
"""The tests' tiny store, and a rhythm for runs of a few steps."""
TINY = [*TINY_DATA, "--method.backbone.channels", "4", "8", "8", "8", "--method.embedding", "8", "--method.clip.frames", "4"]
"""The demo, shrunk to the tests' tiny store."""


def test_fields_by_path_and_types() -> None:
    asked = command.parse(supervised.ALL, "demo", ["--optim.lr", "0.5", "--method.backbone.channels", "2", "2", "2", "2"], "")
    assert asked.experiment.optim.lr == 0.5
    assert asked.experiment.method.backbone.channels == (2, 2, 2, 2)  # type: ignore[attr-defined]
    named = command.parse(supervised.ALL, "demo", ["gaitset-casia-b", "--seed", "4", "--no-tracking"], "")
    assert (named.experiment.name, named.experiment.seed, named.tracking) == ("gaitset-casia-b", 4, False)


def test_a_message_cannot_steer_the_terminal() -> None:
    assert printable("x: é\x1b[2J\n  y: \x00") == "x: é\\x1b[2J\n  y: \\x00"
    assert len(printable("9" * 10_000)) == 1004


def test_unknown_experiment_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'gaitbase-casia-b'"):
        command.parse(supervised.ALL, "demo", ["gaitbase-casiab"], "")


def test_a_look_at_the_walkers_shows_what_was_asked_for_or_says_why_not(tmp_path: Path) -> None:
    few = ["--subjects", "1", "--views", "90", "--out", str(tmp_path / "look")]
    looked = pipeline("walkers.py", "look", *few, "--kind", "clothes", "--conditions", "upper")
    assert looked.returncode == 0, looked.stderr
    assert (tmp_path / "look" / "walk.gif").stat().st_size > 0
    with Image.open(tmp_path / "look" / "sheet.png") as sheet:
        assert sheet.height == 14 + 66  # one row
    for wrong, message in (
        (["--kind", "wild", "--conditions", "bag"], "leave --conditions out"),
        (["--kind", "wild", "--root", "walks.npz"], "leave --kind out"),
        (["--subjects", "0"], "1 or more"),
    ):
        refused = pipeline("walkers.py", "look", *few, *wrong)
        assert refused.returncode == 2
        assert message in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_local_run_to_the_table_then_evaluate_and_resume(tiny_store: Store, tmp_path: Path) -> None:
    whole = pipeline("local.py", "demo", *TINY, "--train.steps", "4")
    assert whole.returncode == 0, whole.stderr
    assert "GEI" in whole.stdout
    assert "chance" in whole.stdout
    line = next(line for line in whole.stdout.splitlines() if line.startswith("rank-1 "))
    assert 0 <= float(line.split()[1]) <= 100
    assert "sqlite:///" in whole.stdout

    run_id = whole.stdout.split("--resume ")[1].split()[0]
    again = pipeline("evaluate.py", run_id)
    assert again.returncode == 0, again.stderr
    assert line in again.stdout.splitlines()

    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{os.environ['GAITLAB_HOME']}/mlflow.db")
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["data_hash"] == tiny_store.hash
    assert run.data.metrics["walkers/rank1"] == pytest.approx(float(line.split()[1]), abs=0.05)
    assert len(client.get_metric_history(run_id, "loss")) == 4
    names = {a.path for folder in ("tables", "figures") for a in client.list_artifacts(run_id, folder)}
    assert {"tables/walkers.json", "figures/walkers-cmc.png", "figures/walkers-scores.png", "figures/clips.png"} <= names

    other = pipeline("local.py", "--resume", run_id, "--optim.lr", "9")
    assert other.returncode == 2
    assert f"optim.lr: {supervised.DEMO.optim.lr} -> 9.0" in other.stderr
    assert "Traceback" not in other.stderr
    done = pipeline("local.py", "--resume", run_id)
    assert done.returncode == 0, done.stderr
    assert line in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dmeo"], "did you mean 'demo'"),
        (["demo", "--optim.lrr", "1"], "--optim.lr"),
        (["demo", "--optim.lr", "hot"], "Error parsing --optim.lr: could not convert"),
        (["--resume", "0123"], "no run '0123'"),
        (["--resume", ""], "no run ''"),
        (["gaitbase-casia-b"], "casia-b"),
        ([*TINY, "--train.steps", "2", "--no-tracking", "--data.subjects-per-batch", "7"], "6"),
        ([*TINY, "--train.steps", "2", "--no-tracking", "--benchmarks.0.protocol", "walker"], "did you mean 'walkers'"),
        ([*TINY, "--train.steps", "2", "--no-tracking", "--data.feed", "ray"], "needs Ray"),
        (
            [*TINY, "--train.steps", "2", "--no-tracking", "--method.clip.augment.flip", "2"],
            "--method.clip.augment.flip is 0 to 1",
        ),
        ([*TINY, "--train.log-every", "0"], "--train.log-every is 1 or more; it is 0"),
        ([*TINY, "--seed", "-1"], "--seed is 0 or more; it is -1"),
        ([*TINY, "--train.steps", "2", "--no-tracking", "--benchmarks.0.protocol", "gait3d"], "gait3d"),
    ],
)
def test_bad_input_is_one_clear_line(tiny_store: Store, arguments: list[str], says: str) -> None:
    done = pipeline("local.py", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "UTF-8"])
def test_a_terminal_without_boxes_gets_the_same_line(encoding: str) -> None:
    done = pipeline("local.py", "gaitset-casia-b", "--optim.momentum", "7", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (2, "error: --optim.momentum is 0 or more and below 1; it is 7\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["opengait", "--rot", "x"], "Missing from pipelines/ingest.py opengait: --root STR --out STR; Unrecognized options: --rot x"),
        (["opengiat"], "Available subcommands: opengait, frames"),
        (["mocap", "--root", "x", "--out", "x", "--conditions", "foo"], "error: mocap knows the conditions"),
        (["walkers", "--out", "x", "--workers", "0"], "--workers is 1 or more"),
        (["frames", "--root", "raw", "--out", "raw/x"], "lies in --root"),
        (["walkers", "--out", "/dev/null/x", "--train-subjects", "1"], "/dev/null"),
    ],
)
def test_bad_input_of_ingest_is_one_clear_line(arguments: list[str], says: str) -> None:
    done = pipeline("ingest.py", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_ingest_leaves_no_process_and_nothing_that_looks_finished(tmp_path: Path, number: signal.Signals) -> None:
    many_small_parts = ["--test-subjects", "5", "--validation-subjects", "0", "--train-subjects", "200", "--views", "90"]
    run = Started(script, "ingest.py", "walkers", *many_small_parts, "--out", str(tmp_path / "set"), "--workers", "2")
    try:
        workers = _wait_for(lambda: [p for p in psutil.Process(run.pid).children() if "spawn_main" in " ".join(p.cmdline())])
        _wait_for(lambda: [*tmp_path.glob("set.partial-*/part-*")])
    finally:
        run.send_signal(number)
    assert run.wait(60) != 0
    assert not psutil.wait_procs(workers, 30)[1]
    assert not (tmp_path / "set").exists()
    if number == signal.SIGTERM:
        assert not list(tmp_path.iterdir())


def _wait_for(found: Callable[[], list[Any]]) -> list[Any]:
    for _ in range(600):
        if result := found():
            return result
        time.sleep(0.1)
    raise TimeoutError
