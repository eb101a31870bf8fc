"""The goldens of the networks and of the pretreatment."""

import numpy as np
import pytest

from tests.parity import networks, pretreatment
from tests.parity.__main__ import GOLDENS

pytestmark = pytest.mark.skipif(not GOLDENS.exists(), reason="the shared folder with the golden vectors is not beside the checkout")


LIGHT = ("gaitset", "gaitpart", "gaitgl", "plain_baseline", "smplgait")
NAMES = sorted(path.stem for path in GOLDENS.glob("*.json"))
TWICE = ("lidargait", "skeletongait")
"""GaitBase and DeepGaitV2 on another input: the same classes as `gaitbase` and `deepgaitv2_2d`, by hand only."""


def test_a_triplet_more_or_less_is_rounding_two_are_not() -> None:
    expected = np.array([3.0, 500.0, 0.0])
    assert networks.apart(expected + np.array([1, -1, 1]), expected) == 0
    assert networks.apart(expected + np.array([0, 5, 0]), expected) == 0.01
    assert networks.apart(expected + np.array([2, 0, 0]), expected) > 0.5


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name in TWICE else []) for name in NAMES])
def test_network_golden(name: str) -> None:
    verdict = networks.run(GOLDENS / f"{name}.json", steps=3 if name in LIGHT else 1)
    assert verdict.passed, verdict.line


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in LIGHT])
def test_network_golden_with_its_trajectory(name: str) -> None:
    verdict = networks.run(GOLDENS / f"{name}.json")
    assert verdict.passed, verdict.line


def test_pretreatment_golden() -> None:
    verdict = pretreatment.run(GOLDENS / "pretreatment.npz")
    assert verdict.passed, verdict.line
