"""What we run: values only. `ALL`, `SWEEPS` and `PROTOCOLS` are what pipelines look for in a module."""

from gaitlab.data.shards import DataConfig
from gaitlab.evaluation.protocol import Where
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig
from gaitlab.sweeps.sweep import Sweep
from gaitlab.types import ClipSpec
from gaitlab.walkers.presets import TINY
from strips.backbone import StripsConfig
from strips.method import CentresConfig

SIDE_TO_FRONT = RetrievalProtocol(
    name="side-to-front",
    gallery=Where(conditions=(), view=("000",), session=("1",)),
    probes={"side": Where(conditions=(), view=("090",))},
)
"""Plain walks seen from the side against a gallery seen from the front."""

STRIPS = Experiment(
    name="strips",
    method=CentresConfig(clip=ClipSpec(frames=8)),
    data=DataConfig(root="walkers-tiny", make=TINY, subjects_per_batch=4, walks_per_subject=4),
    optim=OptimConfig(name="adamw", lr=1e-2),
    train=TrainConfig(steps=40, log_every=10, checkpoint_every=20),
    benchmarks=(Benchmark(protocol=SIDE_TO_FRONT),),
)

ALL = {STRIPS.name: STRIPS}
PROTOCOLS = {SIDE_TO_FRONT.name: SIDE_TO_FRONT}
SWEEPS = {
    "strips-rows": Sweep(
        name="strips-rows",
        base=STRIPS,
        rows={"8 strips": {}, "4 strips": {"method.backbone": StripsConfig(strips=4)}, "no noise": {"method.noise": 0.0}},
        baseline={"4 strips": "8 strips", "no noise": "8 strips"},
        seeds=(0,),
    )
}
