"""Which precision a run computes in."""

import pytest
import torch

from gaitlab.experiment import override
from gaitlab.tracking.runs import NoTracker
from gaitlab.training import loop
from gaitlab.training.fit import fit
from gaitlab.training.precision import native_bfloat16, remark, resolved
from gaitlab.training.run import LocalRun
from tests.conftest import TINY
from tests.training.tiny import experiment


def test_auto_is_bfloat16_only_where_the_processor_has_it() -> None:
    assert (resolved("auto", True), resolved("auto", False)) == ("bfloat16", "float32")
    assert [resolved(asked, False) for asked in ("float32", "bfloat16", "float16")] == ["float32", "bfloat16", "float16"]
    assert "float32, as the processor has no bfloat16" in remark("auto", False)
    assert "--train.precision auto" in remark("bfloat16", False)
    assert not remark("bfloat16", True)
    assert not remark("float32", False)
    assert isinstance(native_bfloat16(torch.device("cpu")), bool)


@pytest.mark.parametrize("native", [True, False])
def test_a_run_computes_in_it(native: bool, monkeypatch: pytest.MonkeyPatch, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
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
