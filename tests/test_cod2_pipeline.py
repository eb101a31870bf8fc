"""CoD2 and its baseline by one command: one table at the end, also when it was killed on the way."""

import os
import re
import signal
import subprocess
import sys

import pytest

from gaitlab.data.store import Store
from tests.conftest import ROOT
from tests.processes import Started, pipeline, script
from tests.test_command import TINY_DATA

TINY = [
    *TINY_DATA, "--method.recogniser.backbone.channels", "4", "8", "8", "8", "--method.recogniser.embedding", "8",
    "--method.recogniser.clip.frames", "4", "--method.widths", "8", "16", "--train.precision", "float32",
]  # fmt: skip
"""The smallest pair, on the tests' tiny store."""
NAME = "cod2-walkers-small"
HERE = {"GAITLAB_MOCAP": "none"}


def results(output: str) -> str:
    """From the last table to the end of the gains."""
    table, end = output.rindex("benchmark rank-1 (%)"), output.rindex("| CoD² |")
    return output[output.rindex("\n", 0, table) : output.index("\n", end)]


def labels(table: str) -> list[str]:
    return re.findall(r"(?:walkers)? +(chance|GEI \+ LDA|GEI|baseline|CoD²|cod2\S*) +[\d.-]", table)


def test_two_processes_end_in_one_table(tiny_store: Store) -> None:
    """Under torchrun; rank 0 alone looks, and waits for nobody."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(ROOT / "pipelines" / "cod2.py"), NAME, *TINY, "--train.steps", "4", "--train.look-every", "1"],
        cwd=ROOT, env=os.environ | HERE | {"OMP_NUM_THREADS": "1"}, text=True, capture_output=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    end = results(done.stdout)
    assert labels(end) == ["chance", "GEI", "GEI + LDA", "baseline", "CoD²"]
    assert done.stdout.count("95 % of the gain") == 1
    rank1 = [float(x) for x in re.findall(r"^rank-1 ([\d.]+)$", done.stdout, re.M)]
    assert len(rank1) == 3  # of each half, and of CoD2 once more
    assert rank1[1] == rank1[2]
    row = [cell.strip() for cell in end.splitlines()[-1].split("|")]
    gain, (low, high) = float(row[3].strip("*")), [float(x) for x in row[4].strip("*[]").split(",")]
    assert gain == pytest.approx(rank1[1] - rank1[0], abs=0.11)
    assert low <= gain <= high
    runs = re.findall(r"^run (\w+);", done.stdout, re.M)
    assert len(runs) == 2
    assert all(run in done.stdout.splitlines()[-1] for run in runs)

    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{os.environ['GAITLAB_HOME']}/mlflow.db")
    assert [client.get_run(run).info.run_name for run in runs] == [f"{NAME}-baseline", NAME]
    seen = {a.path for a in client.list_artifacts(runs[1], "figures")}
    assert {"figures/strips-000004.png", "figures/amplification-000004.png"} <= seen


@pytest.fixture(scope="module")
def whole(tiny_store: Store) -> str:
    """What a pair of eight steps says that is left alone."""
    done = pipeline("cod2.py", NAME, *TINY, "--train.steps", "8", "--no-tracking", **HERE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("half", [NAME, f"{NAME}-baseline"])
def test_kill_9_in_either_half_and_the_same_command_is_the_same_pair(whole: str, half: str) -> None:
    command = ["cod2.py", NAME, *TINY, "--train.steps", "8", "--no-tracking"]
    killed = Started(script, *command, "--fresh", env=HERE)
    for line in killed.stdout:
        if line.startswith(f"{half} 5/8"):
            killed.send_signal(signal.SIGKILL)
            break
    killed.wait(30)
    killed.stdout.close()
    again = pipeline(*command, **HERE)
    assert again.returncode == 0, again.stderr
    assert f"{half}: goes on with run" in again.stdout
    assert f"{half} 4/8" not in again.stdout, "it started from the beginning"
    assert (f"{NAME}-baseline 8/8" in again.stdout) == (half != NAME), "what was trained was trained again"
    assert results(again.stdout) == results(whole)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gaitbase-walkers-small"], "did you mean 'cod2-walkers-small'"),
        (["other"], "known are cod2-sustech1k"),
        (["cod2-grew", "--resume", "last"], "no run of 'cod2-grew'"),
        (["--resume"], "Missing value for argument '--resume'"),
        (["--resume", "0123"], "no run '0123'"),
        ([NAME, "--method.clean", "1"], "--method.clean is above 0 and below 1"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: list[str], says: str) -> None:
    done = pipeline("cod2.py", *arguments, **HERE)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_help_says_how_to_go_on() -> None:
    done = pipeline("cod2.py", "--help")
    assert done.returncode == 0
    for words in ("the same command goes on", "ray job submit", "--help-all", "grew"):
        assert words in done.stdout.replace("\n", " ")
    assert "gaitbase-gait3d" not in done.stdout
