"""Sweeps on this machine, without Ray: rows that share what they stand on, failing, stopped early, stopped by the clock, shared."""

import re
import shutil
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from gaitlab.data.shards import DataConfig
from gaitlab.data.store import Store
from gaitlab.home import home
from gaitlab.reports.ablation import ablation_result
from gaitlab.reports.report import retested_report
from gaitlab.runs.folder import read_config, run_folder
from gaitlab.sweeps.retested import retested
from gaitlab.sweeps.study import Study
from gaitlab.sweeps.sweep import Sweep
from gaitlab.tracking.mlflow_store import default_uri, open_store
from tests.conftest import TINY
from tests.processes import Started, pipeline
from tests.sweeps.tiny_sweeps import PLANS, SWEEPS, at, bare, children, figures, figures_at, here, trials, until

pytestmark = pytest.mark.timeout(500)


def finish(name: str, **env: str) -> str:
    sweep = Started(here, name, env=env)
    said = sweep.communicate(400)
    assert sweep.returncode == 0, said
    return said


def test_what_rows_share_is_trained_once_and_the_sweep_ends_in_a_table(tiny_store: Store) -> None:
    said = finish("three")
    ended = trials("three")
    assert Counter(t.state for t in ended) == {"COMPLETE": 3}
    assert len({t.run for t in ended}) == 3
    assert "; first pretrained, seed 9" in said
    assert "3 of 3 done" in said
    client = open_store(default_uri())
    assert Counter(r.info.run_name for r in children(client, "three")) == {"afresh": 1, "tuned": 1, "slowly": 1, "pretrained": 1}
    assert {r.info.status for r in children(client, "three")} == {"FINISHED"}
    assert finish("three").count("1 running") == 0, "something was trained again"
    on_others(SWEEPS["three"])


def on_others(sweep: Sweep) -> None:
    """A finished sweep's runs, tested again on six people of another generator seed, once."""
    others = DataConfig(root="others", make=replace(TINY, seed=1, train_subjects=0, validation_subjects=0, test_subjects=6))
    study = Study.read(sweep)
    own, again = ablation_result(sweep, study), retested(sweep, study, others)
    result = ablation_result(sweep, study, again.figures.get)
    gain = result.rows[1].gain
    assert [row.mean and row.mean.n_identities for row in (own.rows[0], *result.rows)] == [3, 6, 6, 6]
    assert gain is not None
    assert gain.value == pytest.approx(result.rows[1].values[0] - result.rows[0].values[0])
    assert [run.run for run in result.runs] == [run.run for run in own.runs]
    written = {file: file.stat().st_mtime_ns for file in home().glob("runs/*/tested/others-*/outcome.json")}
    assert len(written) == 3
    assert retested(sweep, study, others).figures.keys() == again.figures.keys()
    assert written == {file: file.stat().st_mtime_ns for file in written}, "it was tested again"
    report = retested_report(sweep, study, again, "three --people 6")
    assert report.name == "three-on-others"
    assert report.repeat.endswith("\npython pipelines/report.py three --people 6")


def test_one_failing_trial_is_told_and_the_others_go_on_and_are_shared(tiny_store: Store) -> None:
    said = finish("failing")
    states = {t.row: t for t in trials("failing")}
    assert {row: t.state for row, t in states.items()} == {"good": "COMPLETE", "nan": "FAIL", "other": "COMPLETE"}
    assert "FloatingPointError" in states["nan"].cause
    assert (log := re.search(r"failing: trial \d failed: FloatingPointError.*\n  its log: (.*)", said))
    assert "Traceback" in Path(log[1]).read_text()
    assert "2 of 3 done, 0 running, 1 failed" in said
    said = finish("again")
    again = {t.row: t for t in trials("again")}
    assert again["the good one"].run == states["good"].run, "a run with the same config was repeated"
    assert again["another"].run not in {t.run for t in states.values()}
    assert re.search(rf"the good one, seed 0: run {states['good'].run} of commit \w+ has it", said)
    client = open_store(default_uri())
    (shared,) = (r for r in children(client, "again") if r.data.tags.get("shares"))
    assert shared.data.tags["shares"] == states["good"].run
    assert shared.data.metrics["walkers/rank1"] == states["good"].values[0]
    assert client.get_run(states["nan"].run).info.status == "FAILED"


def test_what_stands_on_something_that_fails_fails_with_it(tiny_store: Store) -> None:
    said = finish("broken")
    assert [t.state for t in trials("broken")] == ["FAIL", "FAIL"]
    assert all(t.cause.startswith("pretrained, which it stands on, failed: FloatingPointError") for t in trials("broken"))
    assert said.count("broken: pretrained, seed 9 failed: FloatingPointError") == 1, "it was tried twice"


def test_the_worst_of_a_search_end_early_and_are_closed(tiny_store: Store) -> None:
    finish("stopped")
    ended = trials("stopped")
    assert Counter(t.state for t in ended).keys() == {"COMPLETE", "PRUNED"}
    client = open_store(default_uri())
    status = {r.info.run_id: r.info.status for r in children(client, "stopped")}
    assert {t.state: status[t.run] for t in ended} == {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}
    assert all(not list(run_folder(t.run).glob("step-00000024.pt")) for t in ended if t.state == "PRUNED")


@pytest.mark.parametrize("by", ["Ctrl-C", "the clock"])
def test_a_sweep_that_is_stopped_says_so_and_goes_on(tiny_store: Store, by: str, tmp_path: Path) -> None:
    env = at(tmp_path)
    sweep = Started(here, "interrupted", 2, 0.15 if by == "the clock" else None, False, env=env)
    if by == "Ctrl-C":
        end = time.monotonic() + 200
        while not list(tmp_path.glob("runs/*/step-*.pt")) and time.monotonic() < end:
            time.sleep(0.1)
        sweep.send_signal(signal.SIGINT)
    said = sweep.communicate(200)
    assert sweep.returncode == (130 if by == "Ctrl-C" else 0), said
    assert "interrupted: stopped; to go on: python pipelines/sweep.py interrupted" in said
    again = Started(here, "interrupted", 2, None, False, env=env)
    said = again.communicate(300)
    assert again.returncode == 0, said
    assert "2 of 2 done" in said
    assert len(list(tmp_path.glob("runs/*/outcome.json"))) == 2, "a run was begun twice"
    if by == "Ctrl-C":
        logs = [file.read_text() for file in tmp_path.glob("book/*.log")]
        assert any("goes on with run" in log for log in logs)


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_in_slices_each_in_an_empty_home_comes_to_the_same(plan: str, tiny_store: Store, tmp_path: Path) -> None:
    """Stopped on the way, packed in parts, taken in elsewhere, all without Ray and MLflow; the same as at one go, by two processes."""
    first, second, packs, count = tmp_path / "first", tmp_path / "second", [tmp_path / "1", tmp_path / "2"], 3 * len(SWEEPS[plan].seeds)
    sweep = Started(here, plan, 1, None, False, env=at(first))
    for line in sweep.stdout:
        if f"{plan}: {count // 2} of {count} done" in line:
            sweep.send_signal(signal.SIGINT)
            break
    said = sweep.communicate(120)
    assert sweep.returncode == 130, said
    packed = pipeline("pack.py", plan, "-o", str(packs[0]), "--part-size", "64K", **at(first))
    assert packed.returncode == 0, packed.stderr
    done = {file.parent.name: file.read_bytes() for file in first.glob("runs/*/outcome.json")}
    assert 1 <= len(done) <= count // 2 + 1, "some rows, and what they stand on"
    shutil.rmtree(first)
    options = ["--module", "tests.sweeps.tiny_sweeps", "--sweeps", plan, "--minutes", "5", "--reserve", "1", "-o", str(packs[1])]
    again = Started(bare, "slice.py", str(packs[0]), *options, env=at(second))
    said = again.communicate(400)
    assert again.returncode == 0, said
    assert f"go on with: python pipelines/sweep.py {plan}" in said
    trained = len(done) - any(read_config(second / "runs" / run).name == "pretrained" for run in done)
    assert re.search(rf"^{plan}: {count - trained} runs are left, \d+ steps, .* minutes of 1 will do 100 % of it at most$", said, re.M), (
        said
    )
    there = {file.parent.name: file.read_bytes() for file in second.glob("runs/*/outcome.json")}
    assert len(there) == count + 1
    assert {run: there.get(run) for run in done} == done, "what was finished was repeated"
    assert (packs[1] / "pack.json").exists()
    finish(plan)
    assert figures_at(second, plan) == figures(plan)


def test_seeds_are_added_until_the_gains_are_known_well_enough(tiny_store: Store, tmp_path: Path) -> None:
    sweep = Started(until, "three", 90.0, 5, env=at(tmp_path))
    said = sweep.communicate(300)
    assert sweep.returncode == 0, said
    told = re.findall(r"^three: (after .*)$", said, re.M)
    assert len(told) == 2
    assert told[0].endswith("points, of people only; two seeds tell more")
    assert re.fullmatch(r"after 2 seeds the standard error of (tuned|slowly)'s gain is [\d.]+ points, the largest: 90 is reached", told[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAITLAB_HOME", str(tmp_path))
        assert {(t.seed, t.state) for t in trials("three")} == {(0, "COMPLETE"), (1, "COMPLETE")}
        assert Study.read(SWEEPS["three"]).looks == [1, 2]
    wrong = pipeline("sweep.py", "cod2-search", "--se", "0.3", "--here")
    assert wrong.returncode == 2
    assert "--se is for ablations with a baseline" in wrong.stderr


def test_a_name_that_is_nothing_is_one_line(tmp_path: Path) -> None:
    wrong = pipeline("pack.py", "threee", "-o", str(tmp_path / "pack"))
    assert wrong.returncode == 2
    assert wrong.stderr == "error: no run, no sweep that was begun and no experiment that was run is called 'threee'\n"
    assert not (tmp_path / "pack").exists()
