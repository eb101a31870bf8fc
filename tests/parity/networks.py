"""Network goldens `<model>.json` + `.npz`: outputs in eval mode, one training step, batch-norm statistics, an SGD trajectory.

Everything (widths, lengths, classes, input size) is read from the golden; nothing is known here but the format.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaitlab.backbones.smplgait import SMPLGaitConfig
from gaitlab.interop.opengait import from_peer, load_state, peer_subjects, under_peer_names
from gaitlab.losses.triplet import Triplet, part_triplet
from gaitlab.method import Method
from gaitlab.methods.gaitssb import GaitSSB, GaitSSBFinetune
from gaitlab.methods.supervised import Supervised, SupervisedConfig
from gaitlab.rng import Rng
from gaitlab.types import Batch
from tests.parity import rules
from tests.parity.check import Check, Verdict

MAKE = {"sil": rules.silhouettes, "maps": rules.maps, "depth": rules.depth, "smpl": rules.smpl}
ROUNDING = 1e-3
"""Of the largest gradient; smaller ones are rounding, which another processor does otherwise (one of the goldens' is 4 % off float64)."""
TRAJECTORY = (1e-4, 5e-3, 3e-2)
"""Tolerances of the first losses; later ones hardly test the optimiser."""
COMPANIONS = {"maps": "skeleton", "smpl": "smpl"}
"""Kind of an input beside silhouettes -> role of its clip."""

Walk = Mapping[str, np.ndarray]
"""Role -> raw frames of a walk."""


def run(path: Path, steps: int = len(TRAJECTORY)) -> Verdict:
    """All checks of one network golden, the trajectory over `steps` losses."""
    verdict = Verdict(path.stem)
    golden = json.loads(path.read_text())
    arrays = np.load(path.with_suffix(".npz"))
    model = build(golden)
    evaluation(verdict, model, golden, arrays)
    # SMPLGait's losses oscillate with these weights: the golden's test nothing.
    training(verdict, model, golden, arrays, 0 if "smpl" in golden["input"] else steps)
    return verdict


def build(golden: Mapping[str, Any]) -> Method:
    """The golden's network with the golden's weights, without dropout."""
    losses: list[dict[str, Any]] = []
    if golden["model"]["model"] != "GaitSSB_Pretrain":
        losses.append({"type": "TripletLoss", "margin": golden["margin"]})
    if golden["ce"]:
        weight, scale, smooth = golden["ce"]
        losses.append({"type": "CrossEntropyLoss", "loss_term_weight": weight, "scale": scale, "label_smooth": smooth})
    shapes = golden["state_dict"]
    config = from_peer(golden["model"], losses, shapes=shapes)
    if isinstance(config, SupervisedConfig) and isinstance(config.backbone, SMPLGaitConfig):
        config = replace(config, backbone=replace(config.backbone, dropout=0.0))
    model = config.build(peer_subjects(golden["model"]))
    load_state(model, {name: torch.from_numpy(value) for name, value in rules.state(shapes).items()})
    return model


# -- eval mode ---------------------------------------------------------------------------------------------------------


def evaluation(verdict: Verdict, model: Method, golden: Mapping[str, Any], arrays: Any) -> None:
    """Walks of one length, and walks of unequal lengths in one batch against each alone."""
    roles, ends = roles_of(golden["input"]), np.cumsum(arrays["seqL"].reshape(-1))[:-1]
    fixed = {role: list(arrays[f"in_fixed_{kind}"]) for kind, role in roles.items()}
    packed = {role: np.split(arrays[f"in_packed_{kind}"], ends) for kind, role in roles.items()}
    model.eval()
    with torch.no_grad():
        for name, clips in (("fixed", fixed), ("alone", packed)):
            walks = [dict(zip(clips, walk, strict=True)) for walk in zip(*clips.values(), strict=True)]
            batch = batch_of(walks, golden["input"], list(model.config.test_clips()))  # type: ignore[attr-defined, operator, union-attr]
            embedded, logits, second = outputs(model, batch)
            verdict.compare(f"embed_{name}", embedded.transpose(1, 2), arrays[f"embed_{name}"], 5e-5)
            if logits is not None:
                verdict.compare(f"logits_{name}", logits.transpose(1, 2), arrays[f"logits_{name}"], 5e-5)
            if second is not None and f"embed2_{name}" in arrays:
                verdict.compare(f"embed2_{name}", second.transpose(1, 2), arrays[f"embed2_{name}"], 5e-5)


def outputs(model: Method, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """What the goldens call embedding, logits and second embedding, `n p d`."""
    if not isinstance(model, Supervised):
        return model.embed(batch), None, None
    raw = model.encode(batch, Rng(0, 0, range(len(batch))))
    if model.neck is None:
        return raw, None, None
    features, logits = model.neck(raw)
    return (features if model.config.triplet_on == "normalised" else raw), logits, features


# -- training ----------------------------------------------------------------------------------------------------------


def training(verdict: Verdict, model: Method, golden: Mapping[str, Any], arrays: Any, steps: int) -> None:
    """SGD steps on one batch; the first one's outputs, losses, gradients and batch-norm statistics in detail."""
    sgd, batch = golden["train"]["sgd"], training_batch(golden)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=sgd["lr"], momentum=sgd["momentum"], weight_decay=sgd["weight_decay"])
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, sgd["milestones"], sgd["gamma"])
    model.train()
    total = first_pass(verdict, model, batch, golden, arrays)
    for step, (expected, tolerance) in enumerate(zip(sgd["same_batch_total_loss"], TRAJECTORY[:steps], strict=False)):
        if step > 0:
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            with torch.set_grad_enabled(step + 1 < steps):
                total = model(batch, Rng(0, 0, range(len(batch)))).total()
                if total.requires_grad:
                    total.backward()
        verdict.compare(f"sgd step {step}", total.item(), expected, tolerance)


def first_pass(verdict: Verdict, model: Method, batch: Batch, golden: Mapping[str, Any], arrays: Any) -> Tensor:
    """Forward and backward with batch statistics; the total loss."""
    train, recorded = golden["train"], Recorded(model)
    losses = model(batch, Rng(0, 0, range(len(batch))))
    recorded.stop()
    total = losses.total()
    if isinstance(model, GaitSSB):
        for name, cosines, term in zip(("", "2"), recorded.cosines, losses.terms.values(), strict=True):
            verdict.compare(f"train_logits{name}", cosines.detach().transpose(1, 2), arrays[f"train_logits{name}"], 5e-5)
            verdict.compare(f"softmax{name or 1}", term.item(), train["loss"][f"softmax{name or 1}"], 1e-4)
    else:
        assert isinstance(model, (Supervised, GaitSSBFinetune))
        (compared,) = recorded.compared
        verdict.compare("train_embed", compared.detach().transpose(1, 2), arrays["train_embed"], 5e-5)
        triplet_checks(verdict, part_triplet(compared, batch.subject, margin=model.config.margin, self_distance="rounded"), train, arrays)
        if recorded.logits:
            verdict.compare("train_logits", recorded.logits[0].detach().transpose(1, 2), arrays["train_logits"], 5e-5)
            assert isinstance(model, Supervised)
            softmax = losses.terms["identity"].item() / model.config.identity_weight
            verdict.compare("softmax", softmax, train["loss"]["softmax"], 1e-4)
    verdict.compare("total", total.item(), train["loss"]["total"], 1e-3)
    total.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    norms = {name: float(grad.norm()) for name, grad in under_peer_names(model, gradients).items()}
    floor = ROUNDING * max(train["grad_norm"].values())
    for name, norm in train["grad_norm"].items():
        if norm > floor:
            verdict.compare(f"grad {name}", norms.get(name, float("nan")), norm, 5e-3)
    if extra := norms.keys() - train["grad_norm"].keys():
        verdict.checks.append(Check(f"a gradient that the golden lacks: {sorted(extra)[0]}", float("inf"), 0.0))
    statistics = under_peer_names(model, dict(model.named_buffers()))
    for name, (mean, std) in train["bn_after_one_step"].items():
        value = statistics[name]
        error = max(abs(value.mean().item() - mean), abs(value.std().item() - std)) / max(abs(mean), std)
        verdict.checks.append(Check(f"bn {name}", error, 1e-4))  # means near zero: on the scale of their spread
    return total


def triplet_checks(verdict: Verdict, triplet: Triplet, train: Mapping[str, Any], arrays: Any) -> None:
    verdict.compare("triplet", triplet.loss.item(), train["loss"]["triplet"], 1e-3)
    for name, ours in (("", triplet.per_part), ("hard_", triplet.hardest), ("mean_dist_", triplet.distance)):
        verdict.compare(f"triplet_{name}per_part", ours, arrays[f"train_triplet_{name}per_part"], 1e-2)
    counted, expected = np.asarray(triplet.active, np.float64), np.asarray(arrays["train_triplet_num_per_part"], np.float64)
    verdict.checks.append(Check("triplet_num_per_part", apart(counted, expected), 1e-2))


def apart(counted: np.ndarray, expected: np.ndarray) -> float:
    """Largest relative difference of two counts of triplets, of more than one triplet: one more or less is rounding."""
    off = np.abs(counted - expected)
    return float(np.where(off <= 1, 0.0, off / np.maximum(expected, 1)).max()) if off.shape == expected.shape else float("inf")


class Recorded:
    """What the training pass itself computed on its way, by forward hooks: nothing runs twice."""

    def __init__(self, model: Method) -> None:
        self.compared: list[Tensor] = []
        self.logits: list[Tensor] = []
        self.cosines: list[Tensor] = []
        self._hooks: list[Any] = []
        if isinstance(model, GaitSSB):
            inner = model.cosines

            def cosines(predicted: Tensor, target: Tensor) -> Tensor:
                self.cosines.append(inner(predicted, target))
                return self.cosines[-1]

            model.cosines = cosines  # type: ignore[method-assign]
        else:
            neck = getattr(model, "neck", None)
            on_neck = neck is not None and model.config.triplet_on == "normalised"  # type: ignore[union-attr]
            if not on_neck:
                self._hooks.append(model.get_submodule("head").register_forward_hook(lambda _, __, out: self.compared.append(out)))
            if neck is not None:
                self._hooks.append(neck.register_forward_hook(lambda _, __, out: self._neck(out, on_neck)))

    def _neck(self, out: Sequence[Tensor], on_neck: bool) -> None:
        self.logits.append(out[1])
        if on_neck:
            self.compared.append(out[0])

    def stop(self) -> None:
        for hook in self._hooks:
            hook.remove()


# -- batches -----------------------------------------------------------------------------------------------------------


def roles_of(kinds: str) -> dict[str, str]:
    """Kind of input ("maps+sil") -> role of its clip; silhouettes lead where they are."""
    names = kinds.split("+")
    return {kind: COMPANIONS[kind] if len(names) > 1 and kind != "sil" else "gait" for kind in names}


def training_batch(golden: Mapping[str, Any]) -> Batch:
    """The labelled batch; GaitSSB's pretraining has its first half as queries and its second half as keys."""
    train, (h, w), roles = golden["train"], golden["raw_hw"], roles_of(golden["input"])
    walks = [{role: MAKE[kind](seed, train["frames"], h, w) for kind, role in roles.items()} for seed in train["seeds"]]
    labels = torch.tensor(train["labels"])
    if golden["model"]["model"] != "GaitSSB_Pretrain":
        return batch_of(walks, golden["input"], ["gait"], labels)
    half = len(walks) // 2
    query, key = (batch_of(part, golden["input"], [role]) for part, role in ((walks[:half], "query"), (walks[half:], "key")))
    return Batch({**query.clips, **key.clips}, {**query.lengths, **key.lengths}, query.subject, query.rows)


def batch_of(walks: Sequence[Walk], kinds: str, first: Sequence[str], labels: Tensor | None = None) -> Batch:
    """Raw walks as a batch in the networks' input range, zero-padded behind each walk; `first[0]` is the leading clip's role."""
    clips, lengths = {}, {}
    for kind, role in roles_of(kinds).items():
        name = first[0] if role == "gait" else role
        ready = [torch.from_numpy(_ready(walk[role], kind)) for walk in walks]
        clips[name] = torch.nn.utils.rnn.pad_sequence(ready, batch_first=True)
        lengths[name] = torch.tensor([len(walk[role]) for walk in walks])
    rows = torch.arange(len(walks))
    return Batch(clips, lengths, torch.full_like(rows, -1) if labels is None else labels, rows, labels)


def _ready(raw: np.ndarray, kind: str) -> np.ndarray:
    if kind == "smpl":
        return raw
    ready = (raw / 255.0).astype(np.float32) if kind == "depth" else rules.cut(raw)
    return ready[:, None] if ready.ndim == 3 else ready
