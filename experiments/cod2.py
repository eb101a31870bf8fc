"""CoD2 on the data sets that it was published for, and on the embedded benchmark beside its baseline.

Inputs, optimiser and schedule of the published four are DeepGaitV2's (that the authors used these is inferred, not stated); what their
slides leave open is our default (`gaitlab.methods.cod2`). The two `-small` ones differ in the method only.
"""

from dataclasses import replace

from experiments import supervised
from experiments.supervised import DEEPGAITV2_GAIT3D, DEEPGAITV2_SUSTECH1K
from experiments.walkers import GAITBASE_SMALL
from gaitlab.experiment import Experiment
from gaitlab.methods.cod2 import CoD2Config
from gaitlab.methods.supervised import SupervisedConfig


def _cod2(baseline: Experiment, name: str) -> Experiment:
    """The same experiment with the recogniser inside CoD2."""
    assert isinstance(baseline.method, SupervisedConfig)
    return replace(baseline, name=name, method=CoD2Config(recogniser=baseline.method))


COD2_SUSTECH1K = _cod2(DEEPGAITV2_SUSTECH1K, "cod2-sustech1k")
COD2_CCPG = _cod2(supervised.ALL["deepgaitv2-ccpg"], "cod2-ccpg")
COD2_GREW = _cod2(supervised.ALL["deepgaitv2-grew"], "cod2-grew")
COD2_GAIT3D = _cod2(DEEPGAITV2_GAIT3D, "cod2-gait3d")

assert isinstance(GAITBASE_SMALL.method, SupervisedConfig)
ORDERED = replace(GAITBASE_SMALL.method, clip=replace(GAITBASE_SMALL.method.clip, order="ordered"))
"""Frames in order, as G needs them."""
BASELINE_SMALL = replace(GAITBASE_SMALL, name="cod2-baseline-walkers-small", method=ORDERED)
COD2_SMALL = replace(BASELINE_SMALL, name="cod2-walkers-small", method=CoD2Config(recogniser=ORDERED, widths=(16, 32, 64), patch=2))

ALL = {
    experiment.name: experiment
    for experiment in (COD2_SUSTECH1K, COD2_CCPG, COD2_GREW, COD2_GAIT3D, BASELINE_SMALL, COD2_SMALL)
}  # fmt: skip
