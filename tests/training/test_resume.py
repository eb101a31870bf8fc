"""Killed and resumed is the run that was never killed, bit for bit; Ctrl-C and NaN leave a run that can go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from gaitlab.config import override
from gaitlab.data.store import Store
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import read_outcome
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.batches import make_feed
from gaitlab.training.fit import retest
from gaitlab.training.interrupt import Interrupted
from gaitlab.training.loop import train
from gaitlab.training.optim import rate_factor
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained
from gaitlab.types import Losses
from tests.conftest import ROOT, TINY
from tests.processes import Started
from tests.training.tiny import experiment, fit

RESUME = """
import sys, torch
from pathlib import Path
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.run import LocalRun
from tests.conftest import TINY
from tests.training.tiny import experiment, fit
torch.set_num_threads(1)
folder = Path(sys.argv[1])
fit(experiment(TINY), LocalRun(lambda: folder, keep=9), NoTracker(), resume=True)
"""


def begin(folder: Path) -> None:
    fit(experiment(TINY), LocalRun(lambda: folder, keep=9), NoTracker())


def tensors(value: object, path: str = "") -> dict[str, object]:
    """Every leaf of a checkpoint."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in tensors(item, f"{path}.{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, item in enumerate(value) for k, v in tensors(item, f"{path}.{i}").items()}
    return {path: value}


def assert_same(a: dict, b: dict) -> None:
    left, right = tensors(a), tensors(b)
    assert left.keys() == right.keys()
    for path, value in left.items():
        same = torch.equal(value, right[path]) if isinstance(value, torch.Tensor) else value == right[path]  # type: ignore[arg-type]
        assert same, path


def test_kill_9_and_resume_is_bit_identical(tiny_store: Store, tmp_path: Path) -> None:
    """The resumed one is an interpreter of its own, with other hashes."""
    whole = Started(begin, tmp_path / "whole", env={"OMP_NUM_THREADS": "1"})
    output = whole.communicate(120)
    assert whole.returncode == 0, output

    killed = Started(begin, tmp_path / "killed", env={"OMP_NUM_THREADS": "1"})
    for line in killed.stdout:
        if line.startswith("tiny 8/"):  # in the middle: behind the checkpoint of step 4, somewhere about that of step 8
            killed.send_signal(signal.SIGKILL)
            break
    killed.wait(30)
    killed.stdout.close()
    assert 12 not in checkpoint.found(tmp_path / "killed")

    command = [sys.executable, "-c", RESUME, str(tmp_path / "killed")]
    resumed = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, text=True, stdout=subprocess.PIPE, timeout=120)
    again = resumed.stdout
    assert resumed.returncode == 0, again
    assert_same(checkpoint.newest(tmp_path / "whole"), checkpoint.newest(tmp_path / "killed"))  # type: ignore[arg-type]
    assert output.split("tiny on ")[1] == again.split("tiny on ")[1], "the tables differ"


class Stops(NoTracker):
    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step in (4, 8):
            os.kill(os.getpid(), signal.SIGINT if step == 4 else signal.SIGHUP)
            time.sleep(0.01)


def test_a_signal_saves_and_the_rest_is_the_same_run(tiny_store: Store, tmp_path: Path) -> None:
    """Ctrl-C, and after that a terminal that is closed."""
    tiny = experiment(TINY)
    whole = LocalRun(lambda: tmp_path / "whole")
    fit(tiny, whole, NoTracker())

    stopped = LocalRun(lambda: tmp_path / "stopped")
    with pytest.raises(Interrupted):
        fit(tiny, stopped, Stops())
    assert list(checkpoint.found(tmp_path / "stopped")) == [4]
    ignored = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup's, and then it would not be heeded
    with pytest.raises(Interrupted, match="stopped after step 8"):
        fit(tiny, stopped, Stops(), resume=True)
    signal.signal(signal.SIGHUP, ignored)
    fit(tiny, stopped, NoTracker(), resume=True)
    assert_same(whole.load(), stopped.load())  # type: ignore[arg-type]


def test_resuming_another_config_names_the_fields(tiny_store: Store, tmp_path: Path) -> None:
    tiny = override(experiment(TINY), {"train.steps": 4})
    run = LocalRun(lambda: tmp_path)
    fit(tiny, run, NoTracker())
    with pytest.raises(ValueError, match=r"optim\.name: sgd -> adam"):
        fit(override(tiny, {"optim.name": "adam", "optim.lr": 0.5}), run, NoTracker(), resume=True)


def test_it_goes_on_at_another_rate_from_a_step_on_and_its_figures_say_so(tiny_store: Store, tmp_path: Path) -> None:
    tiny, run = experiment(TINY), LocalRun(lambda: tmp_path)
    with pytest.raises(Interrupted):
        fit(tiny, run, Stops())
    slower = override(tiny, {"optim.lr": 0.005, "optim.clip_norm": 10.0, "optim.momentum": 0.5})
    rates: dict[int, float] = {}

    class Notes(NoTracker):
        def log(self, step: int, metrics: Mapping[str, float]) -> None:
            rates[step] = metrics["lr"]

    outcome = fit(slower, run, Notes(), resume=True)
    said = "from step 4 on: optim.clip_norm: 50.0 -> 10.0, optim.lr: 0.05 -> 0.005, optim.momentum: 0.9 -> 0.5"
    assert outcome.changes == (said,)
    assert said in outcome.text()
    assert read_outcome(tmp_path).changes == (said,)  # type: ignore[union-attr]
    assert retest(tmp_path, run, NoTracker(), data=None, protocols=()).changes == (said,)
    assert rates == {
        8: pytest.approx(0.005 * rate_factor(slower.optim, 7, 12)),
        12: pytest.approx(0.005 * rate_factor(slower.optim, 11, 12)),
    }
    (group,) = run.load()["optimisers"][0]["param_groups"][:1]  # type: ignore[index]
    assert (group["base_lr"], group["momentum"]) == (0.005, 0.5)


def test_a_point_of_a_curve_is_the_mean_of_all_its_steps_also_after_a_resume(tiny_store: Store, tmp_path: Path) -> None:
    """Checkpoints lie between the points."""
    tiny = override(experiment(TINY, 10), {"train.log_every": 5, "benchmarks": ()})
    curves: dict[int, float] = {}

    class Notes(NoTracker):
        def log(self, step: int, metrics: Mapping[str, float]) -> None:
            assert curves.setdefault(step, metrics["loss"]) == metrics["loss"]

    run = LocalRun(lambda: tmp_path, keep=9)
    fit(tiny, run, Notes())
    for step in (8, 10):
        checkpoint.step_path(tmp_path, step).unlink()
    fit(tiny, run, Notes(), resume=True)
    assert set(curves) == {5, 10}


class Sometimes(Method):
    """A method whose loss is NaN in the steps told, and whose batch norm then sees infinities."""

    def __init__(self, inner: Method, bad: set[int]) -> None:
        super().__init__()
        self.inner, self.bad, self.calls = inner, bad, 0

    def losses(self, batch, rng):  # type: ignore[no-untyped-def]
        step, self.calls = self.calls, self.calls + 1
        if step in self.bad:
            batch = type(batch)({"gait": batch.clips["gait"] * float("inf")}, batch.lengths, batch.subject, batch.rows)
        return self.inner.losses(batch, rng)

    def embed(self, batch):  # type: ignore[no-untyped-def]
        return self.inner.embed(batch)


def trial(tiny: Experiment, store: Store, folder: Path, bad: set[int]) -> Method:
    run = LocalRun(lambda: folder, keep=9)
    feed = make_feed(tiny, store, run)
    return train(tiny, Sometimes(tiny.method.build(len(feed.subjects)), bad), feed, run, NoTracker(), data_hash=store.hash)


def test_bad_steps_are_skipped_and_leave_no_trace(tiny_store: Store, tmp_path: Path) -> None:
    method = trial(experiment(TINY), tiny_store, tmp_path, bad={1, 5})
    for name, value in method.state_dict().items():
        assert torch.isfinite(value).all(), name


def test_too_many_bad_steps_end_the_run_with_advice(tiny_store: Store, tmp_path: Path) -> None:
    tiny = override(experiment(TINY), {"train.max_bad_steps": 3, "train.checkpoint_every": 2})
    with pytest.raises(
        FloatingPointError, match=r"no checkpoint from before; begin anew with a lower rate \(--optim\.lr 0\.005 --optim\.warmup"
    ):
        trial(tiny, tiny_store, tmp_path / "at-once", bad=set(range(1, 12)))
    assert not checkpoint.found(tmp_path / "at-once"), "what may have diverged was saved"
    folder = tmp_path / "later"
    with pytest.raises(
        FloatingPointError, match=r"of step 4 is from before; go on .* \(--resume later --optim\.lr 0\.005\), or begin anew"
    ):
        trial(tiny, tiny_store, folder, bad=set(range(5, 12)))
    assert list(checkpoint.found(folder)) == [2, 4]
    with pytest.raises(
        FloatingPointError, match=rf"delete {tmp_path / 'just'}/step-00000004\.pt, .*the checkpoint of step 2 is from before"
    ):
        trial(tiny, tiny_store, tmp_path / "just", bad=set(range(4, 12)))
    trial(tiny, tiny_store, tmp_path / "passing", bad={7})
    assert list(checkpoint.found(tmp_path / "passing")) == [2, 4, 6, 9, 10, 12], "instead of step 8 the next good one"


def test_best_checkpoint_is_what_is_tested(tiny_store: Store, tmp_path: Path) -> None:
    tiny = override(experiment(TINY), {"validation": "walkers@validation", "train.evaluate_every": 2, "train.keep": 1})
    run = LocalRun(lambda: tmp_path, keep=1)
    outcome = fit(tiny, run, NoTracker())
    state = run.load()
    assert state is not None
    best = state["best"]
    assert 0 < best["step"] <= 12
    assert set(checkpoint.found(tmp_path)) == {best["step"], 12}
    _, method = trained(tmp_path, run)
    chosen = checkpoint.read(checkpoint.step_path(tmp_path, best["step"]))
    weight = "backbone.stem.conv.weight"
    weight = weight if weight in method.state_dict() else next(iter(method.state_dict()))
    assert torch.equal(method.state_dict()[weight], chosen["averaged"][f"module.{weight}"])
    again = retest(tmp_path, run, NoTracker(), data=None, protocols=())
    assert again.headline == outcome.headline


def test_losses_total_is_the_sum_of_terms() -> None:
    losses = Losses({"a": torch.tensor(1.0), "b": torch.tensor(2.5)})
    assert float(losses.total()) == 3.5
