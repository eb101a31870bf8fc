"""Run definitions: values only. A module has `ALL`, its experiments by name, or `SWEEPS`; here are those of all modules."""

from experiments import cod2, cod2_sweeps, gpu, lab, pretrain, pretrain_sweeps, recipes, supervised, walkers

ALL = {**supervised.ALL, **walkers.ALL, **lab.ALL, **cod2.ALL, **pretrain.ALL, **pretrain_sweeps.ALL}
SWEEPS = {**lab.SWEEPS, **cod2_sweeps.SWEEPS, **gpu.SWEEPS, **pretrain.SWEEPS, **pretrain_sweeps.SWEEPS, **recipes.SWEEPS}
