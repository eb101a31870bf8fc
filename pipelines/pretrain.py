"""A recogniser on a backbone that learnt without labels, against the same from scratch: autoencoder, pretraining, transfers, one table.

`python pipelines/pretrain.py [experiment] [--field.path value ...]`: here, or on Ray where RAY_ADDRESS is set. Each stage is trained where
no finished run of it is there, so after Ctrl-C, a crash or kill -9 the same command goes on. The pretraining's own fields are below
`--init.0.of`, e.g. --init.0.of.train.steps 3000; `pipelines/sweep.py pretrain-lab --here` makes the same table of several seeds.
"""

import sys

from experiments import ALL
from experiments.pretrain import table
from gaitlab.command import parse
from gaitlab.ensure import rank
from gaitlab.experiment import Experiment
from gaitlab.guard import guarded
from gaitlab.launch import here_or_on_ray
from gaitlab.methods.diffusion_pretrain import DiffusionPretrainConfig
from gaitlab.reports.ladder import ladder
from gaitlab.reports.table import markdown
from gaitlab.sweeps.sweep import of_row

DEFAULT = "finetuned-lab"


def pretrained(experiment: Experiment) -> bool:
    """Whether it stands on diffusion pretraining."""
    return any(isinstance(below.method, DiffusionPretrainConfig) for below in experiment.stands_on)


def main() -> None:
    command = parse({name: each for name, each in ALL.items() if pretrained(each)}, DEFAULT, sys.argv[1:], __doc__ or "")
    if command.resume is not None or not pretrained(command.experiment):
        raise ValueError("this makes a table of several runs; the same command goes on with them, so leave --resume and --init out")
    plan = table(command.experiment)
    rows = {row: of_row(plan, row, command.experiment.seed) for row in plan.rows}
    ended = {row: here_or_on_ray(each, tracking=command.tracking, fresh=command.fresh) for row, each in rows.items()}
    if not rank():  # under torchrun the first one knows the figures
        for test in ended["scratch"].tests[:1]:
            print(f"\n{markdown(ladder(test, {row: summary.subjects[test] for row, summary in ended.items()}, plan.baseline))}")


if __name__ == "__main__":
    guarded(main)
