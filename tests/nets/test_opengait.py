"""Configurations, names and checkpoints of OpenGait."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitgl import GaitGLConfig
from gaitlab.backbones.gaitpart import GaitPartConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.backbones.plain import PlainConfig
from gaitlab.backbones.skeletongaitpp import SkeletonGaitPPConfig
from gaitlab.backbones.smplgait import SMPLGaitConfig
from gaitlab.interop.opengait import (
    UnknownModel,
    export_state,
    from_peer,
    load_checkpoint,
    load_state,
    peer_names,
    peer_subjects,
    under_peer_names,
)
from gaitlab.method import Method, MethodConfig
from gaitlab.methods.gaitssb import GaitSSBConfig, GaitSSBFinetuneConfig
from gaitlab.methods.supervised import SupervisedConfig
from tests.conftest import SHARED

PARAMS = SHARED / "peer" / "params"
LOSSES = [
    {"type": "TripletLoss", "loss_term_weight": 1.0, "margin": 0.2, "log_prefix": "triplet"},
    {"type": "CrossEntropyLoss", "loss_term_weight": 0.5, "scale": 16, "log_prefix": "softmax", "log_accuracy": True},
]
NARROW = (4, 6, 8, 10)
CONFIGS: dict[str, MethodConfig] = {
    "gaitset": SupervisedConfig(backbone=GaitSetConfig(channels=(4, 6, 8)), neck="none"),
    "gaitbase": SupervisedConfig(backbone=GaitBaseConfig(channels=NARROW)),
    "2d": SupervisedConfig(backbone=DeepGaitV2Config(mode="2d", channels=NARROW)),
    "p3d": SupervisedConfig(backbone=DeepGaitV2Config(mode="p3d", channels=NARROW, layers=(1, 2, 2, 1))),
    "3d": SupervisedConfig(backbone=DeepGaitV2Config(mode="3d", channels=NARROW)),
    "plain": SupervisedConfig(backbone=PlainConfig(channels=(4, 6, 8), strips=(1, 1, 1), pool_after=(1, 2))),
    "smplgait": SupervisedConfig(backbone=SMPLGaitConfig(channels=(4, 6, 8), strips=(1, 1, 1), pool_after=(1, 2), hidden=(8, 10))),
    "gaitpart": SupervisedConfig(backbone=GaitPartConfig(channels=(4, 8, 8), strips=(1, 4, 8), pool_after=(1, 2)), neck="none"),
    "gaitgl": SupervisedConfig(backbone=GaitGLConfig(stem=(4,), channels=(6, 8, 8)), neck="shared", triplet_on="normalised"),
    "gaitgl-large": SupervisedConfig(backbone=GaitGLConfig(stem=(4, 4), channels=(6, 6, 8, 8, 10, 10), pool_after=2, strips=2)),
    "skeletongaitpp": SupervisedConfig(backbone=SkeletonGaitPPConfig(channels=(8, 10, 12, 14), layers=(1, 2, 1, 1), squeeze=4)),
    "sconet": SupervisedConfig(backbone=GaitBaseConfig(channels=NARROW), classes=("negative", "neutral", "positive"), embed_from="logits"),
    "gaitssb": GaitSSBConfig(backbone=GaitBaseConfig(channels=NARROW), hidden=6, embedding=7),
    "gaitssb-finetune": GaitSSBFinetuneConfig(backbone=GaitBaseConfig(channels=NARROW), hidden=6, projection=7, embedding=8),
}


def built(name: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return CONFIGS[name].build(5)


def model_cfg() -> dict[str, Any]:
    return {
        "model": "Baseline",
        "backbone_cfg": {
            "type": "ResNet9",
            "block": "BasicBlock",
            "in_channel": 3,
            "channels": [4, 6, 8, 10],
            "layers": [1, 1, 1, 1],
            "strides": [1, 2, 2, 1],
            "maxpool": False,
        },
        "SeparateFCs": {"in_channels": 10, "out_channels": 12, "parts_num": 16},
        "SeparateBNNecks": {"class_num": 7, "in_channels": 12, "parts_num": 16},
        "bin_num": [16],
    }


def test_configuration() -> None:
    config = from_peer(model_cfg(), LOSSES)
    assert config.backbone == GaitBaseConfig(channels=NARROW, in_channels=3)
    assert (config.embedding, config.identity_weight, config.smoothing, config.neck) == (12, 0.5, 0.1, "bnneck")
    assert peer_subjects(model_cfg()) == 7


@pytest.mark.parametrize(
    ("where", "key"),
    [((), "attention"), (("backbone_cfg",), "dilation"), (("SeparateFCs",), "norm"), (("SeparateBNNecks",), "parallel_BN1d")],
)
def test_what_is_not_understood_is_named(where: tuple[str, ...], key: str) -> None:
    cfg = model_cfg()
    inner = cfg
    for step in where:
        inner = inner[step]
    inner[key] = True
    with pytest.raises(ValueError, match=key):
        from_peer(cfg, LOSSES)


def test_unknown_models_and_losses_are_named() -> None:
    with pytest.raises(UnknownModel, match="SwinGait"):
        from_peer({"model": "SwinGait"}, LOSSES)
    with pytest.raises(ValueError, match="SupConLoss"):
        from_peer(model_cfg(), [{"type": "SupConLoss"}])
    with pytest.raises(ValueError, match="margn"):
        from_peer(model_cfg(), [{"type": "TripletLoss", "margin": 0.2, "margn": 0.3}])
    with pytest.raises(ValueError, match="bin_num"):
        from_peer({key: value for key, value in model_cfg().items() if key != "bin_num"}, LOSSES)


@pytest.mark.parametrize("name", list(CONFIGS))
def test_weights_go_out_and_come_back(name: str, tmp_path: Path) -> None:
    source, target = built(name, seed=0), built(name, seed=1)
    torch.save({"model": export_state(source), "iteration": 3}, tmp_path / "peer.pt")
    load_state(target, load_checkpoint(tmp_path / "peer.pt"))
    for key, value in source.state_dict().items():
        assert torch.equal(value, target.state_dict()[key]), key
    backbone = source.config.backbone.build()
    load_state(backbone, export_state(source))
    for key, value in source.backbone.state_dict().items():
        assert torch.equal(value, backbone.state_dict()[key]), key


def test_every_misfit_is_named() -> None:
    method = built("gaitbase")
    state = export_state(method)
    state["FCs.fc_bin"] = state["FCs.fc_bin"][:, :, :4]
    state["Extra.weight"] = torch.zeros(1)
    del state["BNNecks.fc_bin"]
    with pytest.raises(ValueError, match=r"Extra\.weight \(unknown.*FCs\.fc_bin \(shape.*BNNecks\.fc_bin \(missing"):
        load_state(method, state)


RESNET = model_cfg()["backbone_cfg"] | {"in_channel": 1}
PLAIN = {"type": "Plain", "layers_cfg": ["BC-4", "M", "FC-6-1", "FC-8-1"]}
BINS, FC = {"bin_num": [16]}, {"SeparateFCs": {"out_channels": 12}}
NECK = {"SeparateBNNecks": {"class_num": 7}}
DEEP = {"in_channels": 1, "layers": [1, 1, 1, 1], "channels": [4, 6, 8, 10]}
YAMLS: dict[str, dict[str, Any]] = {
    "gaitset": {"model": "GaitSet", "in_channels": [1, 4, 6, 8], **BINS, **FC},
    "gaitbase": {"model": "Baseline", "backbone_cfg": RESNET, **BINS, **FC, **NECK},
    "plain": {"model": "Baseline", "backbone_cfg": PLAIN, **BINS, **FC, **NECK},
    "gaitpart": {"model": "GaitPart", "backbone_cfg": PLAIN, **BINS, **FC},
    "smplgait": {"model": "SMPLGait", "backbone_cfg": PLAIN, **BINS, **FC, **NECK},
    "gaitgl": {"model": "GaitGL", "channels": [4, 6, 8], "class_num": 7},
    "gaitgl-large": {"model": "GaitGL", "channels": [4, 6, 8, 10], **NECK},
    "2d": {"model": "DeepGaitV2", "Backbone": DEEP | {"mode": "2d"}, **NECK},
    "p3d": {"model": "DeepGaitV2", "Backbone": DEEP | {"mode": "p3d"}, **NECK},
    "3d": {"model": "DeepGaitV2", "Backbone": DEEP | {"mode": "3d"}, **NECK},
    "skeletongaitpp": {"model": "SkeletonGaitPP", "Backbone": {"in_channels": 3, "blocks": [1, 1, 1, 1], "C": 1}, **NECK},
    "sconet": {"model": "ScoNet", "backbone_cfg": RESNET, **BINS, **FC, "SeparateBNNecks": {"class_num": 3}},
    "gaitssb": {"model": "GaitSSB_Pretrain", "backbone_cfg": RESNET, "parts_num": 31},
    "gaitssb-finetune": {"model": "GaitSSB_Finetune", "backbone_cfg": RESNET, "parts_num": 31},
}


def of_yaml(cfg: dict[str, Any], state: dict[str, torch.Tensor]) -> Method:
    """A network without numbers, as `open_run` makes it for a checkpoint's `state`."""
    losses = [] if cfg["model"] == "GaitSSB_Pretrain" else LOSSES[:1]
    with torch.device("meta"):
        return from_peer(cfg, losses, shapes={name: value.shape for name, value in state.items()}).build(peer_subjects(cfg))


@pytest.mark.parametrize("name", list(YAMLS))
def test_a_checkpoint_of_another_network_is_named_entry_by_entry(name: str) -> None:
    for other, cfg in YAMLS.items():
        source = of_yaml(cfg, {})
        state = under_peer_names(source, source.state_dict())
        if other == name:
            load_state(of_yaml(YAMLS[name], state), state)
            continue
        method = of_yaml(YAMLS[name], state)
        with pytest.raises(ValueError, match=r"^the checkpoint does not fit this network: [^\n]*$") as caught:
            load_state(method, state)
        names = set(under_peer_names(method, method.state_dict()))
        for entry in names ^ state.keys():
            assert f"{entry} ({'missing' if entry in names else 'unknown here'})" in str(caught.value), (other, entry)


def test_a_checkpoint_with_shapes_of_no_network_is_named_entry_by_entry() -> None:
    for cfg in YAMLS.values():
        source = of_yaml(cfg, {})
        for shape in ((), (0,), (0, 0, 0), (9, 9, 9)):
            state = {name: torch.empty(shape, device="meta") for name in under_peer_names(source, source.state_dict())}
            with pytest.raises(ValueError, match=r"^the checkpoint does not fit this network: [^\n]*\(shape"):
                load_state(of_yaml(cfg, state), state)


class Payload:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch /tmp/gaitlab-unsafe",)


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    torch.save({"model": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil\.pt"):
        load_checkpoint(tmp_path / "evil.pt")
    (tmp_path / "short.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"short\.pt"):
        load_checkpoint(tmp_path / "short.pt")
    with pytest.raises(ValueError, match=r"none\.pt"):
        load_checkpoint(tmp_path / "none.pt")


@pytest.mark.skipif(not PARAMS.exists(), reason="the shared folder with the parameter tables is not beside the checkout")
def test_names_and_shapes_of_the_published_networks() -> None:
    unread = set()
    for path in sorted(PARAMS.glob("*.json")):
        table = json.loads(path.read_text())
        cfg = table["model_cfg"]
        losses = LOSSES if "SeparateBNNecks" in cfg or cfg["model"] == "GaitGL" else LOSSES[:1]
        try:
            config = from_peer(cfg, [] if cfg["model"] == "GaitSSB_Pretrain" else losses)
        except UnknownModel:
            unread.add(cfg["model"])
            continue
        with torch.device("meta"):
            method = config.build(peer_subjects(cfg))
        assert {name: list(value.shape) for name, value in export_shapes(method).items()} == table["state_dict"], path.name
        assert sum(parameter.numel() for parameter in method.parameters()) == table["total_parameters"], path.name
    assert unread == {"GaitEdge", "Segmentation"}


def export_shapes(method: Method) -> dict[str, torch.Tensor]:
    assert set(peer_names(method)) == set(method.state_dict())
    return export_state(method.to_empty(device="cpu"))
