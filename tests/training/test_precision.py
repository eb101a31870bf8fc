"""Which precision a run computes in."""

import shutil
from pathlib import Path

import pytest
import torch

from gaitlab.config import override
from gaitlab.tracking.runs import NoTracker
from gaitlab.training import loop
from gaitlab.training.precision import native_bfloat16, remark, resolved
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained
from tests.conftest import TINY
from tests.training.tiny import experiment, fit


def test_auto_is_bfloat16_only_where_the_processor_has_it() -> None:
    assert (resolved("auto", True), resolved("auto", False)) == ("bfloat16", "float32")
    assert [resolved(asked, False) for asked in ("float32", "bfloat16", "float16")] == ["float32", "bfloat16", "float16"]
    assert "float32, as the processor has no bfloat16" in remark("auto", "float32", False)
    assert "--train.precision auto" in remark("bfloat16", "bfloat16", False)
    assert not remark("bfloat16", "bfloat16", True)
    assert not remark("float32", "float32", False)
    assert isinstance(native_bfloat16(torch.device("cpu")), bool)


@pytest.mark.parametrize("native", [True, False])
def test_a_run_computes_in_it(native: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The products of a step are in the precision that the run announces."""
    seen = set()
    inner = torch.nn.Conv2d.forward

    def forward(self: torch.nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        out = inner(self, x)
        if self.training:
            seen.add(out.dtype)
        return out

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    monkeypatch.setattr(loop, "native_bfloat16", lambda device: native)
    fit(override(experiment(TINY, steps=1), {"train.precision": "auto"}), LocalRun(lambda: tmp_path), NoTracker())
    assert seen == {torch.bfloat16 if native else torch.float32}
    assert f"precision: {'bfloat16' if native else 'float32'}" in capsys.readouterr().out


@pytest.mark.parametrize("began", [True, False])
def test_a_run_ends_in_the_precision_that_it_began_in(
    began: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where it is resumed on another processor."""
    config = override(experiment(TINY, steps=4), {"train.precision": "auto", "train.checkpoint_every": 2})
    whole, cut = LocalRun(lambda: tmp_path / "whole", keep=9), LocalRun(lambda: tmp_path / "cut", keep=9)
    monkeypatch.setattr(loop, "native_bfloat16", lambda device: began)
    fit(config, whole, NoTracker())
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    (tmp_path / "cut" / "step-00000004.pt").unlink()
    monkeypatch.setattr(loop, "native_bfloat16", lambda device: not began)
    capsys.readouterr()
    fit(config, cut, NoTracker(), resume=True)
    assert f"precision: {'bfloat16' if began else 'float32'}" in capsys.readouterr().out
    ours, theirs = (trained(run.folder, run)[1].state_dict() for run in (cut, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
