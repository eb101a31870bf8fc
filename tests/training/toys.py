"""A chain of the smallest experiments: pretraining without labels, fine-tuning, and a student of the fine-tuned network."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gaitlab.config import Config, from_dict
from gaitlab.experiment import Experiment, Transfer, parts
from gaitlab.guard import guarded
from gaitlab.launch import local
from gaitlab.method import Method, MethodConfig
from gaitlab.methods.gaitssb import GaitSSBConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.nn.frozen import Frozen
from gaitlab.rng import Rng
from gaitlab.types import Batch, ClipSpec, Losses
from tests.conftest import TINY
from tests.training.tiny import experiment


@dataclass(frozen=True, kw_only=True)
class StudentConfig(MethodConfig):
    """A recogniser that imitates a frozen one's embedding."""

    student: SupervisedConfig

    def clips(self) -> dict[str, ClipSpec]:
        return self.student.clips()

    def build(self, subjects: int) -> "Student":
        return Student(self, subjects)


class Student(Method):
    def __init__(self, config: StudentConfig, subjects: int) -> None:
        super().__init__()
        self.student, self.teacher = config.student.build(subjects), Frozen()

    def losses(self, batch: Batch, rng: Rng) -> Losses:
        with torch.no_grad():
            aim = self.teacher.encode(batch, rng)
        encoded = self.student.encode(batch, rng)
        own = self.student.objective(encoded, batch)
        return Losses({**own.terms, "imitation": F.mse_loss(encoded.float(), aim.float())}, own.watch)

    def embed(self, batch: Batch) -> Tensor:
        return self.student.embed(batch)


def chain(root: Path | str, steps: int = 6) -> Experiment:
    """The student, which stands on the two others; on the shards in `root`."""
    tuned = experiment(TINY, steps)
    method = tuned.method
    assert isinstance(method, SupervisedConfig)
    tuned = replace(tuned, data=replace(tuned.data, root=str(root), make=None), train=replace(tuned.train, checkpoint_every=2, log_every=1))
    clip = replace(method.clip, order="ordered")
    pretrained = replace(
        tuned,
        name="pretrained",
        method=GaitSSBConfig(backbone=method.backbone, clip=clip, hidden=8, embedding=8),
        data=replace(tuned.data, draw="walks"),
        benchmarks=(),
    )
    tuned = replace(tuned, name="tuned", init=(Transfer(of=pretrained, parts=parts("backbone"), lr_ratio=0.1),))
    teacher = Transfer(of=tuned, parts={"": "teacher"}, lr_ratio=0)
    return replace(tuned, name="student", method=StudentConfig(student=method), init=(teacher,), seed=1)


def train(config: Config | dict) -> None:  # type: ignore[type-arg]
    """In a process of its own."""
    of = from_dict(config, Experiment) if isinstance(config, dict) else config
    assert isinstance(of, Experiment)
    guarded(lambda: local(of, tracking=False))
