"""Every experiment: its network at full size against the published tables, and made small, one training step and one test."""

import json
from dataclasses import fields, replace
from functools import reduce
from typing import Any

import pytest
import torch

from experiments import ALL
from gaitlab.config import override
from gaitlab.experiment import Experiment
from gaitlab.interop.opengait import from_peer
from gaitlab.method import Method, MethodConfig
from gaitlab.methods.autoencoder import AutoencoderConfig
from gaitlab.methods.diffusion_pretrain import DiffusionPretrainConfig
from gaitlab.rng import Rng
from gaitlab.types import VECTORS, Batch, ClipSpec
from tests.parity.__main__ import SHARED

PARAMS = SHARED / "peer" / "params"
CHANNELS = {"silhouette": 1, "range": 1, "skeleton": 2, "depth": 3, "smpl": 85}
PUBLISHED = {
    "DeepGaitV2-P3D_casiab": "deepgaitv2-casia-b",
    "DeepGaitV2-P3D_ccpg": "deepgaitv2-ccpg",
    "DeepGaitV2-P3D_gait3d": "deepgaitv2-gait3d",
    "DeepGaitV2-P3D_grew": "deepgaitv2-grew",
    "DeepGaitV2-P3D_oumvlp": "deepgaitv2-oumvlp",
    "DeepGaitV2-P3D_sustech1k": "deepgaitv2-sustech1k",
    "GaitBase_casiae": "gaitbase-casia-e",
    "GaitBase_ccpg": "gaitbase-ccpg",
    "GaitBase_da_casiab": "gaitbase-casia-b",
    "GaitBase_da_gait3d": "gaitbase-gait3d",
    "GaitBase_da_grew": "gaitbase-grew",
    "GaitBase_hid": "plain-hid",
    "GaitBase_oumvlp": "gaitbase-oumvlp",
    "GaitGL_casiab": "gaitgl-casia-b",
    "GaitGL_oumvlp": "gaitgl-oumvlp",
    "GaitPart_casiab": "gaitpart-casia-b",
    "GaitPart_grew": "gaitpart-grew",
    "GaitPart_oumvlp": "gaitpart-oumvlp",
    "GaitSSB_finetune_casiab": "gaitssb-casia-b",
    "GaitSSB_pretrain": "gaitssb-gaitlu-1m",
    "GaitSet_casiab": "gaitset-casia-b",
    "GaitSet_grew": "gaitset-grew",
    "GaitSet_oumvlp": "gaitset-oumvlp",
    "LidarGait_sustech1k": "lidargait-sustech1k",
    "SMPLGait_gait3d": "smplgait-gait3d",
    "ScoNet_scoliosis1k": "sconet-scoliosis1k",
    "SkeletonGaitPP_ccpg": "skeletongaitpp-ccpg",
    "SkeletonGaitPP_gait3d": "skeletongaitpp-gait3d",
    "SkeletonGait_gait3d": "skeletongait-gait3d",
}
"""Table of parameters -> experiment. The network of the experiment is the one of the table."""
SAME = ("backbone", "embedding", "neck", "classes", "triplet_on", "embed_from", "hidden", "projection", "stage_lr", "projector_lr")
"""Fields that make the network."""


@pytest.mark.skipif(not PARAMS.exists(), reason="the shared folder with the parameter tables is not beside the checkout")
@pytest.mark.parametrize("table", PUBLISHED)
def test_networks_are_the_published_ones(table: str) -> None:
    cfg = json.loads((PARAMS / f"{table}.json").read_text())["model_cfg"]
    losses = [] if cfg["model"] == "GaitSSB_Pretrain" else [{"type": "TripletLoss", "margin": 0.2}]
    published, ours = from_peer(cfg, losses), ALL[PUBLISHED[table]].method
    assert type(published) is type(ours)
    for name in (
        "backbone",
        "embedding",
        "neck",
        "classes",
        "triplet_on",
        "embed_from",
        "hidden",
        "projection",
        "stage_lr",
        "projector_lr",
    ):
        assert getattr(published, name, None) == getattr(ours, name, None), name


def small(config: MethodConfig) -> MethodConfig:
    """The same method with a sixteenth of the width."""
    if isinstance(config, AutoencoderConfig):
        return replace(config, width=16)
    if path := config.recogniser_path():
        recogniser = override(small(config.recogniser_config()), {"clip.frames": 4})
        return override(config, {".".join(path): recogniser, "widths": (8, 16)})
    backbone = config.backbone  # type: ignore[attr-defined]
    widths = {
        name: tuple(max(4, c // 16) for c in getattr(backbone, name)) for name in ("channels", "stem", "hidden") if hasattr(backbone, name)
    }
    if hasattr(backbone, "squeeze"):
        widths["squeeze"] = 2
    others: dict[str, Any] = {f.name: 8 for f in fields(config) if f.name in ("embedding", "hidden", "projection", "width")}
    if hasattr(config, "unconditional"):
        others["unconditional"] = 0.5  # of four walks some are
    return replace(config, backbone=replace(backbone, **widths), **others)


def built(config: MethodConfig, subjects: int) -> Method:
    """The method with small networks in its empty places."""
    method = config.build(subjects)
    if isinstance(config, DiffusionPretrainConfig):
        held = AutoencoderConfig(latent_channels=config.latent_channels, width=16, repeat=1, in_channels=config.backbone.in_channels)
        method.autoencoder.put(held.build(0))
    return method


def batch_for(clips: dict[str, ClipSpec], channels: dict[str, int], classes: int, *, equal: bool = False, n: int = 4, t: int = 4) -> Batch:
    def clip(role: str, spec: ClipSpec) -> torch.Tensor:
        if spec.modality in VECTORS:
            return torch.rand(n, t, 85)
        height = 128 if spec.width == 88 else 64
        return torch.rand(n, t, channels.get(role, CHANNELS[spec.modality]), height, spec.width or height)

    seen = {role: clip(role, spec) for role, spec in clips.items()}
    subject = torch.arange(n) // 2
    lengths = torch.tensor([4] * n if equal else [4, 3, 4, 2])
    return Batch(seen, dict.fromkeys(seen, lengths), subject, torch.arange(n), subject % classes if classes else None)


@pytest.mark.parametrize("experiment", ALL.values(), ids=ALL)
def test_one_step_of_the_small_one(experiment: Experiment) -> None:
    torch.manual_seed(0)
    with torch.device("meta"):
        assert sum(p.numel() for p in experiment.method.build(10).parameters()) > 10_000
    for role, channels in experiment.method.channels().items():
        assert channels == CHANNELS[experiment.method.clips()[role].modality]
    config: Any = small(experiment.method)
    if hasattr(config.recogniser_config(), "margin"):
        config = override(config, {".".join((*config.recogniser_path(), "margin")): 10.0})  # every triplet counts
    method = built(config, 3)
    classes = len(config.targets())
    seen = batch_for(config.clips(), config.channels(), classes, equal=bool(config.recogniser_path()))
    losses = method(seen, Rng(0, 0, range(len(seen))))
    losses.total().backward()
    assert losses.total().isfinite()
    for name, parameter in method.named_parameters():
        frozen = not parameter.requires_grad
        assert frozen or (parameter.grad is not None and parameter.grad.isfinite().all()), name
        assert frozen or parameter.grad.abs().sum() > 0, name
    trained = {id(p) for group in method.param_groups() for p in group["params"]}
    assert trained == {id(p) for p in method.parameters() if p.requires_grad}
    method.eval()
    with torch.no_grad():
        embedded = method.embed(batch_for(config.test_clips(), config.channels(), 0))
    recogniser, settings = reduce(getattr, config.recogniser_path(), method), config.recogniser_config()
    if isinstance(config, AutoencoderConfig):
        shape = (4, (64 // config.shrinks) ** 2, config.latent_channels)
    else:
        shape = (4, recogniser.backbone.parts, classes or getattr(settings, "embedding", recogniser.backbone.channels))
    assert embedded.shape == shape
    assert embedded.dtype == torch.float32
