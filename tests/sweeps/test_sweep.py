"""A sweep as a value: expanded and refused before anything runs."""

from dataclasses import replace
from typing import Any

import pytest

from experiments import SWEEPS
from experiments.cod2 import BASELINE_MINI, COD2_MINI
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.config import from_dict, override, to_dict
from gaitlab.evaluation.protocols import CASIA_B
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.sweeps.sweep import Choice, Objective, Same, Sweep, Uniform, Whole, experiments, grid, label, of_point, of_row

SEARCH = Sweep(name="search", base=COD2_MINI, space={"optim.lr": Uniform(low=1e-3, high=1e-2, log=True)}, seeds=(7, 8))


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_expands_and_is_plain_data(name: str) -> None:
    sweep = SWEEPS[name]
    made = list(experiments(sweep))
    assert len(made) == len(sweep.rows) or (sweep.space and len(made) >= 2)
    assert len({str(to_dict(replace(e, name=""))) for e in made}) == len(made), "two rows are one experiment"
    assert from_dict(to_dict(sweep), Sweep) == sweep


@pytest.mark.parametrize("name", ["../../x", "a/b", "", ".hidden"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="a name is neither empty nor a path"):
        replace(SEARCH, name=name)
    with pytest.raises(ValueError, match="a name is neither empty nor a path"):
        replace(CASIA_B, name=name)


def test_a_row_changes_what_it_names_and_nothing_else() -> None:
    sweep = Sweep(name="s", base=COD2_MINI, rows={"a": {"method.fusion": "add"}, "b": {"method.recogniser.backbone": GaitSetConfig()}})
    added, plugged = of_row(sweep, "a", 5), of_row(sweep, "b", 0)
    assert (added.method.fusion, added.seed, added.name) == ("add", 5, "a")  # type: ignore[attr-defined]
    assert replace(added, method=COD2_MINI.method, seed=0, name=COD2_MINI.name) == COD2_MINI
    assert plugged.method.recogniser.backbone == GaitSetConfig()  # type: ignore[attr-defined]


def test_a_whole_method_may_be_a_row() -> None:
    baseline = of_row(SWEEPS["cod2-walkers"], "baseline", 0)
    assert isinstance(baseline.method, SupervisedConfig)
    assert baseline.method == BASELINE_MINI.method


def test_what_is_said_of_the_base_reaches_the_baseline() -> None:
    sweep = SWEEPS["cod2-plugin"]
    changed = replace(sweep, base=override(sweep.base, {"method.recogniser.margin": 0.4}))
    for row in changed.rows:
        method: Any = of_row(changed, row, 0).method
        assert getattr(method, "recogniser", method).margin == 0.4
    wrong = Sweep(name="s", base=COD2_MINI, rows={"a": {"method": Same("method.recognizer")}})
    with pytest.raises(ValueError, match=r"sweep s, row 'a': unknown field 'method.recognizer'"):
        of_row(wrong, "a", 0)


def test_two_values_of_one_label_are_refused() -> None:
    two = GaitSetConfig(channels=(8, 16, 32)), GaitSetConfig(channels=(16, 32, 64))
    with pytest.raises(ValueError, match="two values of a choice are called the same, GaitSet, GaitSet"):
        Choice(two)
    with pytest.raises(ValueError, match="two rows are called 'backbone GaitSet'"):
        grid({"method.recogniser.backbone": two})


def test_a_search_sees_validation_identities_only() -> None:
    made = of_point(SEARCH, 3, {"optim.lr": 0.004}, 8)
    assert [test.protocol for test in made.benchmarks] == ["walkers@validation"]
    assert (made.optim.lr, made.seed) == (0.004, 8)
    assert SEARCH.goals == (Objective(metric="walkers@validation/rank1"),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": replace(COD2_MINI, validation="walkers")}, "choose by test identities"),
        ({"base": replace(COD2_MINI, validation=None)}, "needs people to choose by"),
        ({"objectives": (Objective(metric="walkers/rank1"),)}, "a search sees walkers@validation"),
        ({"stopper": "asha"}, "evaluate-every"),
        ({"space": {"optim.rate": Uniform(low=0.1, high=1)}}, "unknown field 'optim.rate'"),
        ({"space": {"optim.name": Choice(("adamw", "lion"))}}, "is one of sgd, adamw, adam"),
        ({"space": {"method.steps": Uniform(low=10.5, high=20.5)}}, "method.steps takes int"),
    ],
)
def test_what_a_search_is_refused_for(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(experiments(replace(SEARCH, **changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": {}}, "either rows"),
        ({"space": {"optim.lr": Uniform(low=0, high=1)}}, "either rows"),
        ({"seeds": ()}, "at least one seed"),
        ({"baseline": {"a": "c"}}, "c is no row"),
        ({"stopper": "median"}, "every row runs to its end"),
    ],
)
def test_what_an_ablation_is_refused_for(changes: dict[str, object], message: str) -> None:
    sweep = Sweep(name="s", base=COD2_MINI, rows={"a": {}, "b": {"method.fusion": "add"}})
    with pytest.raises(ValueError, match=message):
        replace(sweep, **changes)  # type: ignore[arg-type]


def test_a_wrong_row_is_named() -> None:
    sweep = Sweep(name="s", base=COD2_MINI, rows={"fuse": {"method.fuson": "add"}})
    with pytest.raises(ValueError, match=r"sweep s, row 'fuse': unknown field 'method\.fuson'.*did you mean 'fusion'"):
        list(experiments(sweep))


def test_grids_are_rows_of_all_combinations() -> None:
    rows = grid({"method.lambda_mode": ("one", "vector"), "method.widths": ((8, 16), (8, 16, 32))})
    assert list(rows)[:3] == ["lambda_mode one, widths 8 16", "lambda_mode one, widths 8 16 32", "lambda_mode vector, widths 8 16"]
    assert len(list(experiments(Sweep(name="s", base=COD2_MINI, rows=rows)))) == 4


def test_labels() -> None:
    assert [label(v) for v in ((8, 16), 0.1, None, GaitSetConfig())] == ["8 16", "0.1", "None", "GaitSet"]
    assert Whole(low=1, high=9, step=2).step == 2
