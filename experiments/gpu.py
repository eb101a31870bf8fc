"""What waits for an hour of one GPU: the lab and the hard benchmark at full width, CoD² and its baseline first, then the ablation.

`python pipelines/slice.py` runs them in this order, in slices of ten minutes.
"""

from dataclasses import replace

from experiments.cod2_sweeps import LAB
from experiments.lab import GAITBASE_LAB
from experiments.supervised import GAITBASE
from experiments.walkers import GAITBASE_WALKERS
from gaitlab.experiment import Experiment, TrainConfig
from gaitlab.methods.cod2 import CoD2Config

_ORDERED = replace(GAITBASE, clip=replace(GAITBASE.clip, order="ordered"))
"""The published GaitBase, 30 frames; in order, as G needs them."""
_COD2 = CoD2Config(recogniser=_ORDERED)


def _at_full_width(name: str, like: Experiment, train: TrainConfig) -> Experiment:
    return replace(like, name=name, method=_COD2, data=replace(like.data, subjects_per_batch=8, walks_per_subject=8), train=train)


_TRAIN = TrainConfig(steps=20_000, precision="auto", log_every=100, checkpoint_every=500)
COD2_LAB = replace(_at_full_width("cod2-lab-full", GAITBASE_LAB, _TRAIN), optim=GAITBASE_WALKERS.optim)
COD2_STANDARD = _at_full_width("cod2-standard-full", GAITBASE_WALKERS, _TRAIN)

LAB_PARTS = replace(
    LAB, name="gpu-lab-parts", title="CoD² in the lab at full width, and its parts", base=COD2_LAB, published={}, source="", seeds=(0, 1, 2)
)
LAB_PAIR = replace(
    LAB_PARTS,
    name="gpu-lab",
    title="CoD² in the lab at full width",
    rows={row: LAB.rows[row] for row in ("baseline", "cod2")},
    baseline={"cod2": "baseline"},
)
"""Its runs are the parts' as well."""
STANDARD_PAIR = replace(LAB_PAIR, name="gpu-standard", title="CoD² on walkers-standard at full width", base=COD2_STANDARD)

SLICES = (LAB_PAIR, STANDARD_PAIR, LAB_PARTS)
SWEEPS = {sweep.name: sweep for sweep in SLICES}
