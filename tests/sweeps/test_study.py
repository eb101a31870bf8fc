"""The memory of a sweep, across drivers that end anyhow."""

import math
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from experiments.cod2 import COD2_MINI
from gaitlab.sweeps.study import Study, remembered
from gaitlab.sweeps.sweep import Choice, Objective, Sweep, Uniform, Whole

ABLATION = Sweep(name="ablation", base=COD2_MINI, rows={"a": {"method.fusion": "add"}, "b": {}}, seeds=(0, 1))
SEARCH = Sweep(
    name="search",
    base=COD2_MINI,
    space={
        "optim.lr": Uniform(low=1e-3, high=1e-2, log=True),
        "method.steps": Whole(low=100, high=1000, step=100),
        "method.widths": Choice(((8, 16), (8, 16, 32))),
    },
    trials=6,
    seeds=(3,),
)
RANK1 = "walkers/rank1"


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


def left(study: Study) -> list[tuple[int, str, int, str]]:
    """What the study still hands out."""
    trials = []
    while handed_out := study.next():
        trials.append((handed_out[0].number, handed_out[0].row, handed_out[0].seed, handed_out[0].run))
    return trials


def test_rows_and_seeds_are_handed_out_once(storage: str) -> None:
    study = Study.open(ABLATION, storage)
    assert [(row, seed) for _, row, seed, _ in left(study)] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert study.next() is None
    study.close()


def test_a_killed_driver_s_trials_come_first_in_their_old_runs(storage: str) -> None:
    study = Study.open(ABLATION, storage)
    for run in ("first", "second"):
        handed_out = study.next()
        assert handed_out
        study.begun(handed_out[0].number, run)
    study.completed(0, {RANK1: 12.0})
    study.close()
    again = Study.open(ABLATION, storage)
    assert left(again) == [(1, "b", 0, "second"), (2, "a", 1, ""), (3, "b", 1, "")]
    assert [t.state for t in again.trials()] == ["COMPLETE", "RUNNING", "RUNNING", "RUNNING"]
    for number in (1, 2):
        again.completed(number, {RANK1: 12.0})
    assert [t.seconds > 0 for t in again.trials()] == [True, False, True, False], "the time between two drivers is no trial's"
    again.close()


def test_rows_and_seeds_may_be_added_but_not_changed(storage: str) -> None:
    study = Study.open(ABLATION, storage)
    assert len(left(study)) == 4
    for number in range(4):
        study.completed(number, {RANK1: float(number)})
    study.close()
    more = replace(ABLATION, rows={**ABLATION.rows, "c": {"method.lambda_mode": "one"}}, seeds=(0, 1, 2))
    study = Study.open(more, storage)
    assert [(row, seed) for _, row, seed, _ in left(study)] == [("c", 0), ("c", 1), ("a", 2), ("b", 2), ("c", 2)]
    study.close()
    with pytest.raises(ValueError, match=r"begun with other values \(rows.a.method.fusion: add -> phase.*--name"):
        Study.open(replace(ABLATION, rows={"a": {"method.fusion": "phase"}, "b": {}}), storage)
    with pytest.raises(ValueError, match=f"base.optim.lr: {COD2_MINI.optim.lr} -> 0.1"):
        Study.open(replace(ABLATION, base=replace(COD2_MINI, optim=replace(COD2_MINI.optim, lr=0.1))), storage)


def test_one_driver_at_a_time(storage: str) -> None:
    study = Study.open(ABLATION, storage)
    with pytest.raises(ValueError, match="being run by another process"):
        Study.open(ABLATION, storage)
    study.close()
    Study.open(ABLATION, storage).close()


def test_a_failed_trial_has_its_cause_and_waits_again_only_when_asked(storage: str) -> None:
    study = Study.open(ABLATION, storage)
    assert len(left(study)) == 4
    study.failed(0, "FloatingPointError: the loss is NaN")
    study.completed(1, {"walkers/mAP": 3.0})  # not the figure it is judged by
    study.completed(2, {RANK1: 5.0})
    study.completed(3, {RANK1: math.pi})
    states = [(t.state, t.cause) for t in study.trials()]
    assert states[0] == ("FAIL", "FloatingPointError: the loss is NaN")
    assert states[1] == ("FAIL", "no figure walkers/rank1; there are walkers/mAP")
    assert study.trials()[3].values == (math.pi,)
    assert study.next() is None
    study.close()
    study = Study.open(ABLATION, storage)
    assert study.next() is None
    assert study.retry_failed() == 2
    assert [(row, seed) for _, row, seed, _ in left(study)] == [("a", 0), ("b", 0)]
    study.close()


def test_a_search_goes_on_to_its_number_of_trials_on_another_day(storage: str) -> None:
    study = Study.open(SEARCH, storage)
    points = []
    for number in range(4):
        handed_out = study.next()
        assert handed_out
        trial, experiment = handed_out
        points.append(tuple(trial.point.items()))
        assert experiment.method.widths in ((8, 16), (8, 16, 32))  # type: ignore[attr-defined]
        assert (experiment.optim.lr, experiment.method.steps) == (trial.point["optim.lr"], trial.point["method.steps"])  # type: ignore[attr-defined]
        if number < 3:
            study.scored(number, 100, 1.0)
            study.completed(number, {"walkers@validation/rank1": 20.0 + number})
    study.close()
    study = Study.open(SEARCH, storage)
    handed_out = study.next()
    assert handed_out
    assert handed_out[0].number == 3
    assert tuple(handed_out[0].point.items()) == points[3], "the point of a trial that was left running changed"
    study.pruned(3)
    assert len(left(study)) == 2
    assert len({tuple(t.point.items()) for t in study.trials()}) == 6, "a driver that goes on draws its predecessor's points again"
    study.close()
    study = Study.open(replace(SEARCH, trials=7), storage)  # a larger budget; two were left running
    assert [number for number, *_ in left(study)] == [4, 5, 6]
    study.close()
    seen = optuna.load_study(study_name="search", storage=storage)  # as optuna-dashboard sees it
    assert [t.state.name for t in seen.trials[:4]] == ["COMPLETE", "COMPLETE", "COMPLETE", "PRUNED"]
    assert seen.best_trial.number == 2


def test_several_objectives(storage: str) -> None:
    goals = (Objective(metric="walkers@validation/rank1"), Objective(metric="cost/embed_gflop", goal="minimize"))
    study = Study.open(replace(SEARCH, objectives=goals, sampler="nsgaii"), storage)
    assert len(left(study)) == 6
    for number in range(6):
        study.completed(number, {"walkers@validation/rank1": float(number), "cost/embed_gflop": float(number % 3)})
    study.close()
    front = {t.number for t in optuna.load_study(study_name="search", storage=storage).best_trials}
    assert front == {3, 4, 5}


def test_a_study_that_was_never_begun(storage: str) -> None:
    with pytest.raises(ValueError, match=r"no trials yet; start it: python pipelines/sweep.py ablation"):
        Study.read(ABLATION, storage)


def test_a_space_of_choices_is_not_drawn_twice(storage: str) -> None:
    space = {"method.norm": Choice(("group", "sigmoid", "minmax")), "method.steps": Choice((100, 1000))}
    study = Study.open(replace(SEARCH, space=space, trials=10), storage)
    assert len(left(study)) == 6, "there are six points, and ten trials were asked for"
    assert len({tuple(t.point.items()) for t in study.trials()}) == 6
    study.failed(study.trials()[0].number, "out of memory")
    assert study.retry_failed() == 1
    assert len(left(study)) == 1, "a failed point may be tried again"
    study.close()


def test_what_a_killed_driver_was_still_drawing_is_no_trial(storage: str) -> None:
    study = Study.open(SEARCH, storage)
    handed_out = study.next()
    assert handed_out
    study.begun(0, "first")
    study.optuna.ask()  # killed before any field was drawn
    study.close()
    study = Study.open(SEARCH, storage)
    handed_out = left(study)
    assert [(number, run) for number, _, _, run in handed_out] == [(0, "first"), *((i, "") for i in range(2, 7))]
    assert all(t.point.keys() == SEARCH.space.keys() for t in study.trials())
    study.close()


def test_a_point_that_failed_is_tried_again_with_its_seed_and_once(storage: str) -> None:
    study = Study.open(replace(SEARCH, seeds=(3, 4), trials=2), storage)
    assert [seed for _, _, seed, _ in left(study)] == [3, 4]
    study.completed(0, {"walkers@validation/rank1": 20.0})
    study.failed(1, "out of memory")
    point = study.trials()[1].point
    assert study.retry_failed() == 1
    assert study.retry_failed() == 0, "it waits already"
    ((number, _, seed, _),) = left(study)
    assert (seed, study.trials()[number].point) == (4, point)
    study.completed(number, {"walkers@validation/rank1": 21.0})
    assert study.retry_failed() == 0, "it was repeated already"
    study.close()


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////nowhere/studies.db", "postgresql://me:secret@127.0.0.1:9/studies"])
def test_a_database_that_cannot_be_opened_is_one_line(url: str) -> None:
    with pytest.raises(ValueError, match=r"no studies in .*give --storage") as refused:
        Study.open(ABLATION, url)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_looking_makes_no_database(tmp_path: Path) -> None:
    assert remembered("ablation", f"sqlite:///{tmp_path / 'none.db'}") is None
    assert not list(tmp_path.iterdir())


def test_a_sweep_is_known_by_its_name_as_it_was_last_run(storage: str) -> None:
    mine = replace(ABLATION, name="mine", seeds=(5,))
    study = Study.open(mine, storage)
    study.typed("ablation --name mine --storage postgresql://me:secret@db/studies")
    study.close()
    assert remembered("mine", storage) == mine
    assert Study.read(mine, storage).command == "python pipelines/sweep.py ablation --name mine --storage postgresql://me:***@db/studies"
