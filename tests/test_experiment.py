"""Experiments as values: round trips, overrides, fingerprints, differences."""

import dataclasses
import importlib
import inspect
import json
import math
import pkgutil
import re
import sys
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from experiments import supervised
from gaitlab.config import WINGS, Config, differences, fingerprint, flatten, from_dict, override, to_dict
from gaitlab.experiment import Experiment
from gaitlab.within import Within, outside

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


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("optim.lr", -1, "optim.lr is 0 or more; it is -1"),
        ("optim.lr", float("nan"), "optim.lr is 0 or more; it is nan"),
        ("optim.momentum", 7, "optim.momentum is 0 or more and below 1; it is 7"),
        ("optim.weight_decay", float("inf"), "optim.weight_decay is 0 to 1; it is inf"),
        ("optim.warmup", -4, "optim.warmup is 0 or more; it is -4"),
        ("optim.milestones", (200, 100), "optim.milestones rise, each named once; they are 200, 100"),
        ("method.margin", float("nan"), "method.margin is 0 or more; it is nan"),
        ("method.scale", -16, "method.scale is above 0; it is -16"),
        ("method.smoothing", 3, "method.smoothing is 0 or more and below 1; it is 3"),
        ("method.clip.frames", (0, 3), "method.clip.frames is 1 or more; it is 0"),
        ("method.backbone.channels", (8, 0, 8, 8), "method.backbone.channels is 1 or more; it is 0"),
        ("data.make.views", (0, 360), "data.make.views is 0 to 359; it is 360"),
    ],
)
def test_numbers_out_of_range_are_refused_by_their_path(path: str, value: object, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}$"):
        override(DEMO, {path: value})


def configs() -> list[Any]:
    """Every config class of gaitlab."""
    for wing in WINGS:
        package = importlib.import_module(f"gaitlab.{wing}")
        for module in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
            importlib.import_module(module.name)
    return [cls for cls in subclasses(Config) if cls.__module__.startswith("gaitlab.") and dataclasses.is_dataclass(cls)]


def subclasses(cls: type) -> list[type]:
    return [*cls.__subclasses__(), *(deeper for below in cls.__subclasses__() for deeper in subclasses(below))]


def without_range(hint: Any) -> bool:
    """Whether a type takes a number, at any depth, for which it says no range."""
    if hint in (int, float):
        return True
    return get_origin(hint) is not Annotated and any(without_range(inside) for inside in get_args(hint))


@pytest.mark.parametrize("cls", configs(), ids=lambda cls: cls.__name__)
def test_every_number_of_every_config_has_a_range(cls: Any) -> None:
    hints = get_type_hints(cls, include_extras=True)
    lacking = [f.name for f in dataclasses.fields(cls) if without_range(hints[f.name])]
    assert not lacking, "write e.g. Annotated[float, Within(0, 1)], or a name of gaitlab.within"
    assert "super().__post_init__()" in inspect.getsource(cls.__post_init__) or cls.__post_init__ is Config.__post_init__


def test_ranges_read_as_they_are() -> None:
    assert [str(w) for w in (Within(0, 1), Within(1), Within(above=0), Within(0, below=1), Within(above=0, below=1), Within())] == [
        "0 to 1", "1 or more", "above 0", "0 or more and below 1", "above 0 and below 1", "a finite number",
    ]  # fmt: skip
    assert 1.0 in Within(0, 1)
    assert 1.0 not in Within(0, below=1)
    assert next(outside({"a": (1.0, math.nan)}, Any))[1] == Within()


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
    for kind in (5, None, [], "x" * 10_000):
        with pytest.raises(ValueError, match="no imported Experiment") as caught:
            from_dict({"kind": kind}, Experiment)
        assert len(str(caught.value)) < 500
    with pytest.raises(ValueError, match="not of a Experiment"):
        from_dict([], Experiment)
    with pytest.raises(ValueError, match="config of a Experiment is damaged"):
        from_dict({"kind": "Experiment", "init": {"run": "a", "parts": 5}}, Experiment)
    del plain["optim"]["lr"], plain["name"]
    with pytest.raises(ValueError, match=r"Experiment is incomplete.*'name'"):
        from_dict(plain, Experiment)
    plain["optim"]["lrr"] = 1
    with pytest.raises(ValueError, match="did you mean 'lr'"):
        from_dict(plain, Experiment)


def test_experiments_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEMO.seed = 1  # type: ignore[misc]
