"""Experiments as values: round trips, overrides, fingerprints, differences."""

import dataclasses
import json
import sys

import pytest

from experiments import supervised
from gaitlab.config import differences, fingerprint, flatten, from_dict, override, to_dict
from gaitlab.experiment import Experiment

DEMO = supervised.DEMO


@pytest.mark.parametrize("experiment", supervised.ALL.values(), ids=supervised.ALL)
def test_json_round_trip(experiment: Experiment) -> None:
    assert from_dict(json.loads(json.dumps(to_dict(experiment))), Experiment) == experiment


def test_names_are_the_keys() -> None:
    assert all(name == experiment.name for name, experiment in supervised.ALL.items())


def test_override_changes_one_leaf_and_the_fingerprint() -> None:
    changed = override(DEMO, {"method.clip.frames": 12, "optim.lr": 1})
    assert changed.method.clip.frames == 12  # type: ignore[attr-defined]
    assert changed.optim.lr == 1.0
    assert isinstance(changed.optim.lr, float)
    assert fingerprint(changed) != fingerprint(DEMO)
    assert override(changed, {"method.clip.frames": DEMO.method.clip.frames, "optim.lr": DEMO.optim.lr}) == DEMO  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("optim.lrr", 0.1, "did you mean 'lr'"),
        ("method.backbon.channels", (1,), "did you mean 'backbone'"),
        ("optim.name", "sdg", "one of sgd, adamw, adam"),
        ("train.steps", "many", "takes int"),
        ("train.steps", True, "takes int"),
        ("optim.lr.x", 1, "below a plain value"),
        ("optim.milestones", ("a",), "takes int"),
    ],
)
def test_wrong_overrides_say_what_is_right(path: str, value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        override(DEMO, {path: value})


def test_override_accepts_every_alternative_of_a_union() -> None:
    for frames in (30, (10, 50), None):
        assert override(DEMO, {"method.clip.frames": frames}).method.clip.frames == frames  # type: ignore[attr-defined]


def test_differences_name_the_fields() -> None:
    changed = override(DEMO, {"seed": 3, "optim.lr": 0.5})
    assert differences(DEMO, changed) == [f"optim.lr: {DEMO.optim.lr} -> 0.5", "seed: 0 -> 3"]


def test_flatten_has_a_path_for_every_leaf() -> None:
    flat = flatten(DEMO)
    assert flat["optim.lr"] == DEMO.optim.lr
    assert flat["method.kind"].endswith("SupervisedConfig")
    assert "data.make.seed" in flat


def test_from_dict_builds_nothing_foreign() -> None:
    for kind in ("subprocess:Popen", "Popen", "gaitlab.home:home", "gaitlab.gone:GoneConfig", "SupervisedConfig", "object"):
        with pytest.raises(ValueError, match=r"no imported Experiment.*--module"):
            from_dict({"kind": kind}, Experiment)
    assert "antigravity" not in sys.modules
    with pytest.raises(ValueError, match="no imported Experiment"):
        from_dict({"kind": "antigravity:Experiments"}, Experiment)
    assert "antigravity" not in sys.modules, "a file said what to import"
    plain = to_dict(DEMO)
    plain["optim"]["lr"] = "hot"
    with pytest.raises(ValueError, match=r"OptimConfig\.lr takes float; not 'hot'"):
        from_dict(plain, Experiment)
    del plain["optim"]["lr"], plain["name"]
    with pytest.raises(ValueError, match=r"Experiment is incomplete.*'name'"):
        from_dict(plain, Experiment)
    plain["optim"]["lrr"] = 1
    with pytest.raises(ValueError, match="did you mean 'lr'"):
        from_dict(plain, Experiment)


def test_experiments_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEMO.seed = 1  # type: ignore[misc]
