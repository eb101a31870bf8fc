"""Network goldens `<model>.json` + `.npz`: outputs in eval mode, one training step, batch-norm statistics, an SGD trajectory.

Everything (widths, lengths, classes, input size) is read from the golden; nothing is known here but the format.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaitlab.interop.opengait import UnknownModel, from_peer, load_state, peer_names, peer_subjects
from gaitlab.losses.identity import part_cross_entropy
from gaitlab.losses.triplet import part_triplet
from gaitlab.methods.supervised import Supervised
from gaitlab.types import Batch
from tests.parity import rules
from tests.parity.check import Check, Verdict

MAKE = {"sil": rules.silhouettes, "maps": rules.maps, "depth": rules.depth}
TRAJECTORY = (1e-4, 5e-3, 3e-2)
"""Tolerances of the first losses; later ones hardly test the optimiser."""


def run(path: Path, steps: int = len(TRAJECTORY)) -> Verdict:
    """All checks of one network golden, the trajectory over `steps` losses."""
    verdict = Verdict(path.stem)
    golden = json.loads(path.read_text())
    arrays = np.load(path.with_suffix(".npz"))
    if golden["input"] not in MAKE:
        verdict.todo = f"input {golden['input']!r}"
        return verdict
    try:
        model = build(golden)
    except UnknownModel as reason:
        verdict.todo = str(reason)
        return verdict
    evaluation(verdict, model, golden, arrays)
    training(verdict, model, golden, arrays, steps)
    return verdict


def build(golden: dict[str, Any]) -> Supervised:
    """The golden's network with the golden's weights."""
    losses: list[dict[str, Any]] = [{"type": "TripletLoss", "margin": golden["margin"]}]
    if golden["ce"]:
        weight, scale, smooth = golden["ce"]
        losses.append({"type": "CrossEntropyLoss", "loss_term_weight": weight, "scale": scale, "label_smooth": smooth})
    shapes = golden["state_dict"]
    model = from_peer(golden["model"], losses, shapes=shapes).build(peer_subjects(golden["model"]))
    load_state(model, {name: torch.from_numpy(value) for name, value in rules.state(shapes).items()})
    return model


def evaluation(verdict: Verdict, model: Supervised, golden: dict[str, Any], arrays: Any) -> None:
    """Eval mode: walks of one length, and walks of unequal lengths in one batch against each alone."""
    kind = golden["input"]
    fixed = list(arrays[f"in_fixed_{kind}"])
    lengths = arrays["seqL"].reshape(-1)
    packed = np.split(arrays[f"in_packed_{kind}"], np.cumsum(lengths)[:-1])
    model.eval()
    with torch.no_grad():
        for name, walks in (("fixed", fixed), ("alone", packed)):
            z = model.encode(batch_of(walks, kind), torch.Generator())
            verdict.compare(f"embed_{name}", z.transpose(1, 2), arrays[f"embed_{name}"], 5e-5)
            if model.neck is not None:
                verdict.compare(f"logits_{name}", model.neck(z)[1].transpose(1, 2), arrays[f"logits_{name}"], 5e-5)
                if "embed2_fixed" in arrays and name == "fixed":
                    verdict.compare("embed2_fixed", model.neck(z)[0].transpose(1, 2), arrays["embed2_fixed"], 5e-5)


def training(verdict: Verdict, model: Supervised, golden: dict[str, Any], arrays: Any, steps: int) -> None:
    """SGD steps on one batch; the first one's outputs, losses, gradients and batch-norm statistics in detail."""
    sgd, batch = golden["train"]["sgd"], training_batch(golden)
    optimiser = torch.optim.SGD(model.parameters(), lr=sgd["lr"], momentum=sgd["momentum"], weight_decay=sgd["weight_decay"])
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, sgd["milestones"], sgd["gamma"])
    model.train()
    total = first_pass(verdict, model, batch, golden, arrays)
    for step, (expected, tolerance) in enumerate(zip(sgd["same_batch_total_loss"], TRAJECTORY[:steps], strict=False)):
        if step > 0:
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            with torch.set_grad_enabled(step + 1 < steps):
                total = model(batch, torch.Generator()).total()
                if total.requires_grad:
                    total.backward()
        verdict.compare(f"sgd step {step}", total.item(), expected, tolerance)


def first_pass(verdict: Verdict, model: Supervised, batch: Batch, golden: dict[str, Any], arrays: Any) -> Tensor:
    """Forward and backward with batch statistics; the total loss."""
    train, config = golden["train"], model.config
    z = model.encode(batch, torch.Generator())
    verdict.compare("train_embed", z.detach().transpose(1, 2), arrays["train_embed"], 5e-5)
    triplet = part_triplet(z, batch.subject, margin=config.margin, self_distance=config.self_distance)
    verdict.compare("triplet", triplet.loss.item(), train["loss"]["triplet"], 1e-3)
    verdict.compare("triplet_per_part", triplet.per_part, arrays["train_triplet_per_part"], 1e-2)
    verdict.compare("triplet_num", triplet.active, arrays["train_triplet_num_per_part"], 1e-2)
    verdict.compare("triplet_hard", triplet.hardest, arrays["train_triplet_hard_per_part"], 1e-2)
    verdict.compare("triplet_mean_dist", triplet.distance, arrays["train_triplet_mean_dist_per_part"], 1e-2)
    total = config.triplet_weight * triplet.loss
    if model.neck is not None:
        logits = model.neck(z)[1]
        verdict.compare("train_logits", logits.detach().transpose(1, 2), arrays["train_logits"], 5e-5)
        softmax = part_cross_entropy(logits, batch.subject, scale=config.scale, smoothing=config.smoothing)
        verdict.compare("softmax", softmax.item(), train["loss"]["softmax"], 1e-4)
        total = total + config.identity_weight * softmax
    verdict.compare("total", total.item(), train["loss"]["total"], 1e-3)
    total.backward()
    theirs = peer_names(model)
    gradients = {theirs[name]: float(parameter.grad.norm()) for name, parameter in model.named_parameters() if parameter.grad is not None}
    floor = 1e-6 * max(train["grad_norm"].values())
    for name, norm in train["grad_norm"].items():
        if norm > floor:
            verdict.compare(f"grad {name}", gradients.get(name, float("nan")), norm, 5e-3)
    statistics = {theirs[name]: value for name, value in model.named_buffers()}
    for name, (mean, std) in train["bn_after_one_step"].items():
        value = statistics[name]
        error = max(abs(value.mean().item() - mean), abs(value.std().item() - std)) / max(abs(mean), std)
        verdict.checks.append(Check(f"bn {name}", error, 1e-4))  # means near zero: on the scale of their spread
    return total


def training_batch(golden: dict[str, Any]) -> Batch:
    train, (h, w) = golden["train"], golden["raw_hw"]
    walks = [MAKE[golden["input"]](seed, train["frames"], h, w) for seed in train["seeds"]]
    return batch_of(walks, golden["input"], torch.tensor(train["labels"]))


def batch_of(walks: list[np.ndarray], kind: str, labels: Tensor | None = None) -> Batch:
    """Raw walks, uint8 `t [c] h w`, as a batch in the networks' input range, zero-padded behind each walk."""
    lengths = torch.tensor([len(walk) for walk in walks])
    ready = [torch.from_numpy((walk / 255.0).astype(np.float32) if kind == "depth" else rules.cut(walk)) for walk in walks]
    ready = [walk.unsqueeze(1) if walk.ndim == 3 else walk for walk in ready]
    clip = torch.nn.utils.rnn.pad_sequence(ready, batch_first=True)
    rows = torch.arange(len(walks))
    return Batch({"gait": clip}, {"gait": lengths}, torch.full_like(rows, -1) if labels is None else labels, rows)
