"""Optimisers and learning-rate schedules, both from plain values."""

import bisect
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gaitlab.experiment import OptimConfig
from gaitlab.method import Method
from gaitlab.training.muon import Muon


def rate_factor(config: OptimConfig, step: int, steps: int) -> float:
    """What the base rate is multiplied by in step `step` (0-based) of `steps`: warm-up times the schedule, in [0, 1]."""
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "constant":
        return warm
    if config.schedule == "cosine":
        done = max(0, step - config.warmup) / max(1, steps - config.warmup)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return warm * config.gamma ** bisect.bisect_right(config.milestones, step)


class Optimisers:
    """All optimisers of a method as one: a group may name its own (`optimiser`), its rate (`lr`) or a `lr_ratio`, its `weight_decay`.

    ratios: part of the method -> what its parameters' rates are multiplied by; of a part in a part, the inner one's.
    """

    def __init__(self, config: OptimConfig, method: Method, steps: int, ratios: Mapping[str, float] = {}) -> None:
        self.config, self.steps = config, steps
        by_name: dict[str, list[dict[str, Any]]] = {}
        learnt, of = set(method.parameters()), _ratio_of(method, ratios)
        for group in method.param_groups():
            rate = group.get("lr", config.lr * group.get("lr_ratio", 1.0))
            parameters = [p for p in group["params"] if p in learnt]
            for ratio in dict.fromkeys(of.get(p, 1.0) for p in parameters):
                own = [p for p in parameters if of.get(p, 1.0) == ratio]
                facts = {"lr": rate * ratio, "base_lr": rate * ratio, "ratio": ratio}
                if "weight_decay" in group:
                    facts["weight_decay"] = group["weight_decay"]
                for name, part in _divided(own, group.get("optimiser", config.name), method):
                    by_name.setdefault(name, []).append({**part, **facts})
        self.all: list[Optimizer] = [self._make(name, groups) for name, groups in by_name.items()]
        if not self.all:
            raise ValueError("nothing is left to train: every parameter is frozen")
        self.parameters: list[nn.Parameter] = [p for o in self.all for group in o.param_groups for p in group["params"]]

    def _make(self, name: str, groups: list[dict[str, Any]]) -> Optimizer:
        decay = self.config.weight_decay
        if name == "sgd":
            return SGD(groups, momentum=self.config.momentum, weight_decay=decay)
        if name in ("adam", "adamw"):
            return {"adam": Adam, "adamw": AdamW}[name](groups, weight_decay=decay)
        if name == "muon":
            return Muon(groups, weight_decay=decay)
        raise ValueError(f"optimiser {name!r} is not one of sgd, adam, adamw, muon")

    def set_rate(self, step: int) -> float:
        """Set every group's rate for `step`; returns the first one."""
        factor = rate_factor(self.config, step, self.steps)
        least = self.config.least_lr if step >= self.config.warmup else 0.0
        for optimiser in self.all:
            for group in optimiser.param_groups:
                group["lr"] = max(group["base_lr"] * factor, least * group.get("ratio", 1.0))  # checkpoints of before have none
        return self.all[0].param_groups[0]["lr"]

    def zero_grad(self) -> None:
        for optimiser in self.all:
            optimiser.zero_grad(set_to_none=True)

    def grad_norm(self) -> Tensor:
        """Global L2 norm of all gradients, scaled down to `clip_norm` if that is set."""
        limit = math.inf if self.config.clip_norm is None else self.config.clip_norm
        return torch.nn.utils.clip_grad_norm_(self.parameters, limit, foreach=True)

    def state_dict(self) -> list[dict[str, Any]]:
        return [optimiser.state_dict() for optimiser in self.all]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """What the optimisers remember of the steps taken; rates and the like stay this config's."""
        try:
            for optimiser, state in zip(self.all, states, strict=True):
                own = [{name: value for name, value in group.items() if name != "params"} for group in optimiser.param_groups]
                optimiser.load_state_dict(state)
                for group, facts in zip(optimiser.param_groups, own, strict=True):
                    group.update(facts)
        except ValueError as error:
            raise ValueError(
                f"the checkpoint's optimisers divide the parameters otherwise than this version does ({error}); --fresh trains anew, "
                "--init RUN:PART,... starts from its weights"
            ) from None


def _divided(parameters: list[nn.Parameter], optimiser: str, method: Method) -> Iterator[tuple[str, dict[str, Any]]]:
    """Optimiser and group of the parameters: what is no matrix, Muon leaves to AdamW."""
    if optimiser != "muon":
        yield optimiser, {"params": parameters}
        return
    convolutions = {p for module in method.modules() if isinstance(module, nn.modules.conv._ConvNd) for p in module.parameters(False)}
    filters = [p for p in parameters if p.dim() > 1 and p in convolutions]
    maps = [p for p in parameters if p.dim() > 1 and p not in convolutions]
    others = [p for p in parameters if p.dim() <= 1]
    yield from (("muon", {"params": of, "filters": of is filters}) for of in (filters, maps) if of)
    if others:
        yield "adamw", {"params": others}


def _ratio_of(method: Method, ratios: Mapping[str, float]) -> dict[nn.Parameter, float]:
    inner_last = sorted(ratios, key=lambda part: part.count(".") + bool(part))
    return {parameter: ratios[part] for part in inner_last for parameter in method.get_submodule(part).parameters()}


def moving_average(method: Method, decay: float) -> AveragedModel:
    """Exponential moving average of weights and buffers."""
    return AveragedModel(method, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
