"""Tables: their numbers from the runs', and everything that lacks named with its cause."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gaitlab.home import SUM
from gaitlab.reports.ablation import ablation_result
from gaitlab.reports.ablation_tables import ablation_tables
from gaitlab.reports.search import search_result
from gaitlab.reports.search_tables import search_tables
from gaitlab.reports.table import Table, latex, markdown, spread, tex, to_html
from gaitlab.runs.folder import OUTCOME, run_folder
from gaitlab.sweeps.study import Study
from gaitlab.tracking.origins import Origin, origins
from tests.sweeps.studies import ABLATION, PEOPLE, SETS, outcome, run_all, searched, sqlite


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return run_all(ABLATION, sqlite(tmp_path_factory.mktemp("done")))


def test_numbers_of_a_table_are_those_of_its_runs(done: Study) -> None:
    result = ablation_result(ABLATION, done)
    assert (result.protocol, result.measure, result.sets, result.columns) == ("walkers", "rank1", list(SETS), ["SUSTech1K", "CCPG"])
    for row in result.rows:
        theirs = [outcome(row.row, seed) for seed in (0, 1, 2)]
        values = [o.metrics["walkers/rank1"] for o in theirs]
        assert row.values == values
        assert row.mean is not None
        assert row.mean.value == pytest.approx(np.mean(values))
        assert (row.mean.n_identities, row.mean.n_seeds) == (PEOPLE, 3)
        assert row.mean.low < row.mean.value < row.mean.high
    base, half, whole = result.rows
    assert base.gain is None
    for row in (half, whole):
        assert row.gain is not None
        assert row.gain.value == pytest.approx(np.mean(row.values) - np.mean(base.values))
        night = [[outcome(name, seed).metrics["walkers/Night_1/rank-1"] for seed in (0, 1, 2)] for name in (row.row, "base_line")]
        assert row.set_gains["Night_1"] == pytest.approx(np.mean(night[0]) - np.mean(night[1]))
    assert whole.gain is not None
    assert whole.gain.certain
    there = whole.published["SUSTech1K"]
    assert (there.value, there.gain) == (83.8, pytest.approx(6.4))
    assert there.difference == pytest.approx(whole.gain.value - 6.4)
    assert math.isnan(half.published["CCPG"].value)
    assert not [note for note in result.notes if "left out" in note or "failed" in note]


def test_what_lacks_is_named_with_its_cause(tmp_path: Path) -> None:
    study = run_all(ABLATION, sqlite(tmp_path), failing=[("half", 2)], left=[("whole + 50 %", 1)])
    gone = next(t for t in study.trials() if (t.row, t.seed) == ("base_line", 0))
    (run_folder(gone.run) / OUTCOME).unlink()
    notes = "\n".join(ablation_result(ABLATION, study).notes)
    assert "half, seed 2 (trial 7) failed: ValueError: loss is nan; lower the rate." in notes
    assert "whole + 50 %, seed 1 (trial 5) is running." in notes
    assert f"base_line, seed 0 is left out: its folder {run_folder(gone.run)} has no figures any more." in notes
    assert "To repeat what failed: python pipelines/sweep.py parts --retry-failed." in notes
    assert "half: the gain over base_line is of the seeds that both have (1)." in notes
    longer = ablation_result(replace(ABLATION, rows={**ABLATION.rows, "new": {}}, seeds=(0, 1, 3)), study)
    assert [row.row for row in longer.rows] == [*ABLATION.rows, "new"]
    assert "new, seed 0 was never begun." in longer.notes
    assert "half, seed 3 was never begun." in longer.notes
    assert "base_line, seed 2 is in the study and not in the sweep, so not in the table." in longer.notes


def test_a_repeated_failure_is_not_forgotten(tmp_path: Path) -> None:
    run_all(ABLATION, sqlite(tmp_path), failing=[("half", 2)])
    again = Study.open(ABLATION, sqlite(tmp_path))
    assert again.retry_failed() == 1
    again.close()
    result = ablation_result(ABLATION, run_all(ABLATION, sqlite(tmp_path)))
    assert "half, seed 2 (trial 7) failed first (ValueError: loss is nan; lower the rate) and was repeated." in result.notes
    assert len(result.rows[1].runs) == 3


def test_one_seed_says_what_its_interval_covers(tmp_path: Path) -> None:
    sweep = replace(ABLATION, seeds=(0,))
    result = ablation_result(sweep, run_all(sweep, sqlite(tmp_path)))
    gains = ablation_tables(result)[0]
    assert f"The 95 % intervals draw identities only anew ({PEOPLE} identities)." in gains.note
    assert "±" not in gains.lines[0][1]
    certainty = next(table for table in ablation_tables(result) if table.name == "certainty")
    assert certainty.lines[0][3:7] == ["–", "–", "–", "–"]


def test_damaged_and_unfinished_is_refused(done: Study, tmp_path: Path) -> None:
    file = run_folder(done.trials()[0].run) / OUTCOME
    whole = file.read_text()
    file.write_text(wrong := whole.replace('"walkers/rank1": ', '"walkers/rank1": 1'))
    with pytest.raises(ValueError, match=r"outcome.json is damaged \(its content is not what was written\); delete it, and the run is te"):
        ablation_result(ABLATION, done)
    file.write_text(
        json.dumps({name: value for name, value in json.loads(wrong).items() if name != SUM})
    )  # one from before there were sums
    with pytest.raises(ValueError, match=r"outcome.json is damaged \(its people have 60.93 %, it says .*\); delete it, and the run is te"):
        ablation_result(ABLATION, done)
    file.write_text(whole)
    sweep = replace(ABLATION, name="none", seeds=(0,))
    none = run_all(sweep, sqlite(tmp_path), failing=[(row, 0) for row in ABLATION.rows])
    with pytest.raises(ValueError, match=r"sweep none has no finished run to report; go on with: python pipelines/sweep.py none"):
        ablation_result(sweep, none)


def test_a_search_is_ranked_and_its_fields_weighed(tmp_path: Path) -> None:
    sweep, study = searched(sqlite(tmp_path), goals=1)
    result = search_result(sweep, study)
    values = [trial.values[0] for trial in result.ranked()]
    assert values == sorted(values, reverse=True)
    assert len(values) == 14
    assert "Trial 4 failed: its process died, by a signal or for lack of memory." in result.notes
    assert "Stopped early, so neither ranked nor weighed: trials 6 (10.00 at step 4)." in result.notes
    assert result.stopped == {6: (4, 10.0)}
    shares = result.importances["walkers@validation/rank1"]
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.__getitem__) in ("optim.lr", "train.steps")
    best = search_tables(result)[0]
    assert len(best.lines) == 10
    assert best.lines[0][1] == f"{values[0]:.2f}"
    assert not result.front


def test_few_trials_tell_nothing_about_fields(tmp_path: Path) -> None:
    sweep, study = searched(sqlite(tmp_path), goals=1, trials=8)
    result = search_result(sweep, study)
    assert result.importances == {"walkers@validation/rank1": {}}
    assert "Too few finished trials to say what matters for walkers@validation/rank1 (there are 6)." in result.notes


def test_of_the_front_nothing_is_dominated(tmp_path: Path) -> None:
    sweep, study = searched(sqlite(tmp_path), goals=2)
    result = search_result(sweep, study)
    by_loop = [
        a.number
        for a in result.trials
        if not any(b.values[0] >= a.values[0] and b.values[1] <= a.values[1] and b.values != a.values for b in result.trials)
    ]
    assert sorted(result.front) == by_loop
    assert [table.name for table in search_tables(result)] == ["best", "front", "importances", "runs"]


def test_cells_are_the_same_in_every_form_and_escaped() -> None:
    table = Table(
        name="g", title="50 % & more", head=["", "a_b"], lines=[["x|y <z>", "[−1.00, +2.00]"]], marks={(0, 1): "less"}, note="{n}"
    )
    assert markdown(table) == "### 50 % & more\n\n|  | a_b |\n| --- | ---: |\n| x\\|y <z> | **[−1.00, +2.00]** |\n\n{n}"
    assert r"x\textbar{}y \textless{}z\textgreater{} & \textbf{[$-$1.00, +2.00]} \\" in latex(table)
    assert r"\caption{50 \% \& more. \{n\}}" in latex(table)
    assert "<td class='words'>x|y &lt;z&gt;</td><td class='less'>[−1.00, +2.00]</td>" in to_html(table)
    assert tex("a --b_c \\ 3²") == r"a -{}-b\_c \textbackslash{} 3\textsuperscript{2}"
    assert (spread([]), spread([1.0]), spread([1.0, 2.0])) == ("–", "1.00", "1.50 ± 0.71")


def test_a_store_that_is_away_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert origins(["0" * 32, "untracked-1"]) == {"0" * 32: Origin(), "untracked-1": Origin()}
