"""The goldens of the networks that gaitlab has, and of the pretreatment."""

import pytest

from tests.parity import networks, pretreatment
from tests.parity.__main__ import GOLDENS

pytestmark = pytest.mark.skipif(not GOLDENS.exists(), reason="the shared folder with the golden vectors is not beside the checkout")


@pytest.mark.parametrize("name", ["gaitset", "gaitbase", "deepgaitv2_2d", "deepgaitv2_p3d", "deepgaitv2_3d"])
def test_network_golden(name: str) -> None:
    verdict = networks.run(GOLDENS / f"{name}.json", steps=3 if name == "gaitset" else 1)
    assert verdict.passed, verdict.line


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaitbase", "deepgaitv2_2d", "deepgaitv2_p3d", "deepgaitv2_3d", "lidargait", "skeletongait"])
def test_network_golden_with_its_trajectory(name: str) -> None:
    verdict = networks.run(GOLDENS / f"{name}.json")
    assert verdict.passed, verdict.line


def test_pretreatment_golden() -> None:
    verdict = pretreatment.run(GOLDENS / "pretreatment.npz")
    assert verdict.passed, verdict.line
