"""Configurations in OpenGait's format, with the settings of its published experiments."""

import copy
from typing import Any

import yaml

DATA = """
data_cfg:
  dataset_name: CASIA-B
  dataset_root: /data/CASIA-B-pkl
  dataset_partition: ./datasets/CASIA-B/CASIA-B.json
  num_workers: 1
  remove_no_gallery: false
  test_dataset_name: CASIA-B
"""
TEST = """
evaluator_cfg:
  enable_float16: true
  restore_ckpt_strict: true
  restore_hint: 60000
  save_name: Mine
  sampler: {batch_shuffle: false, batch_size: 16, sample_type: all_ordered, frames_all_limit: 720}
  metric: euc
  transform: [{type: BaseSilCuttingTransform}]
"""
TRIPLET = """
loss_cfg:
  - {loss_term_weight: 1.0, margin: 0.2, type: TripletLoss, log_prefix: triplet}
"""
BOTH = TRIPLET + "  - {loss_term_weight: 1.0, scale: 16, type: CrossEntropyLoss, log_prefix: softmax, log_accuracy: true}\n"
RATE = """
optimizer_cfg: {lr: 0.1, momentum: 0.9, solver: SGD, weight_decay: 0.0005}
scheduler_cfg: {gamma: 0.1, milestones: [20000, 40000, 50000], scheduler: MultiStepLR}
"""
TRAIN = """
trainer_cfg:
  enable_float16: true
  fix_BN: false
  with_test: false
  log_iter: 100
  restore_ckpt_strict: true
  restore_hint: 0
  save_iter: 10000
  save_name: Mine
  sync_BN: true
  total_iter: 60000
  sampler:
    batch_shuffle: true
    batch_size: [8, 16]
    frames_num_fixed: 30
    frames_num_max: 50
    frames_num_min: 25
    sample_type: fixed_unordered
    type: TripletSampler
  transform: [{type: BaseSilCuttingTransform, img_w: 64}]
"""
RESNET = """
model_cfg:
  model: Baseline
  backbone_cfg:
    {type: ResNet9, block: BasicBlock, channels: [64, 128, 256, 512], layers: [1, 1, 1, 1], strides: [1, 2, 2, 1], maxpool: false}
  SeparateFCs: {in_channels: 512, out_channels: 256, parts_num: 16}
  SeparateBNNecks: {class_num: 74, in_channels: 256, parts_num: 16}
  bin_num: [16]
"""
DEEP = """
model_cfg:
  model: DeepGaitV2
  Backbone: {mode: p3d, in_channels: 1, layers: [1, 1, 1, 1], channels: [64, 128, 256, 512]}
  SeparateBNNecks: {class_num: 250}
"""
SET = """
model_cfg:
  model: GaitSet
  in_channels: [1, 32, 64, 128]
  SeparateFCs: {in_channels: 128, out_channels: 256, parts_num: 62}
  bin_num: [16, 8, 4, 2, 1]
"""
PART = """
model_cfg:
  model: GaitPart
  backbone_cfg:
    in_channels: 1
    layers_cfg: [BC-32, BC-32, M, BC-64, BC-64, M, FC-128-3, FC-128-3, FC-256-3, FC-256-3]
    type: Plain
  SeparateFCs: {in_channels: 256, out_channels: 256, parts_num: 16}
  bin_num: [16]
"""
SSB = """
model_cfg:
  model: GaitSSB_Pretrain
  backbone_cfg:
    {type: ResNet9, block: BasicBlock, channels: [64, 128, 256, 512], layers: [1, 1, 1, 1], strides: [1, 2, 2, 1], maxpool: false}
  parts_num: 31
"""
MIXED = [
    {"type": "RandomPerspective", "prob": 0.2},
    {"type": "BaseSilCuttingTransform"},
    {"type": "RandomHorizontalFlip", "prob": 0.2},
    {"type": "RandomRotate", "prob": 0.2},
]


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with values put at dotted paths; "GONE" takes a key away."""
    config = copy.deepcopy(config)
    for path, value in changes.items():
        *levels, key = path.split(".")
        inner: Any = config
        for level in levels:
            inner = inner[int(level)] if isinstance(inner, list) else inner.setdefault(level, {})
        if isinstance(value, str) and value == "GONE":
            del inner[key]
        else:
            inner[int(key) if isinstance(inner, list) else key] = value
    return config


def of(data: str, classes: int = 0, **sections: Any) -> dict[str, Any]:
    """Changes that name a data set."""
    named = {"data_cfg.dataset_name": data, "data_cfg.test_dataset_name": data}
    return named | ({"model_cfg.SeparateBNNecks.class_num": classes} if classes else {}) | sections


def compose(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "Compose", "trf_cfg": steps}]


GAITSET_CASIA_B = changed(
    yaml.safe_load(DATA + TEST + TRIPLET + SET + RATE + TRAIN),
    {"scheduler_cfg.milestones": [10_000, 20_000, 30_000], "trainer_cfg.total_iter": 40_000},
)
GAITBASE_CASIA_B = changed(
    yaml.safe_load(DATA + TEST + BOTH + RESNET + RATE + TRAIN),
    {
        "trainer_cfg.transform": compose(
            [{"type": "BaseSilCuttingTransform"}, {"type": "RandomRotate", "prob": 0.3}, {"type": "RandomErasing", "prob": 0.3}]
        )
    },
)
SCONET: dict[str, Any] = GAITBASE_CASIA_B["model_cfg"] | {"model": "ScoNet"}
GAITBASE_GAIT3D = changed(
    GAITBASE_CASIA_B,
    of("Gait3D", 3000)
    | {
        "evaluator_cfg.eval_func": "evaluate_Gait3D",
        "trainer_cfg.sampler.batch_size": [32, 4],
        "trainer_cfg.sampler.sample_type": "unfixed_unordered",
        "trainer_cfg.sampler.frames_num_min": 10,
        "trainer_cfg.transform": compose(MIXED),
    },
)
DEEPGAITV2_SUSTECH1K = changed(
    yaml.safe_load(DATA + TEST + BOTH + DEEP + RATE + TRAIN),
    of("SUSTech1K")
    | {
        "data_cfg.data_in_use": [False] * 6 + [True] + [False] * 9,
        "scheduler_cfg.milestones": [20_000, 30_000, 40_000],
        "trainer_cfg.total_iter": 50_000,
        "trainer_cfg.sampler": {
            "type": "TripletSampler", "batch_size": [8, 8], "batch_shuffle": True, "sample_type": "fixed_ordered", "frames_num_fixed": 10,
            "frames_skip_num": 4,
        },
        "trainer_cfg.transform": compose(MIXED),
    },
)  # fmt: skip
GAITPART_OUMVLP = changed(
    yaml.safe_load(DATA + TEST + TRIPLET + PART + RATE + TRAIN),
    of("OUMVLP")
    | {
        "optimizer_cfg": {"lr": 1e-4, "momentum": 0.9, "solver": "Adam", "weight_decay": 0},
        "scheduler_cfg.milestones": [150_000],
        "trainer_cfg.total_iter": 250_000,
        "trainer_cfg.sync_BN": False,
        "trainer_cfg.sampler.batch_size": [32, 16],
        "trainer_cfg.sampler.sample_type": "fixed_ordered",
        "trainer_cfg.sampler.frames_skip_num": 10,
    },
)
GAITSSB = changed(
    yaml.safe_load(DATA + TEST + BOTH + SSB + RATE + TRAIN),
    of("GaitLU-1M")
    | {
        "loss_cfg": [{"loss_term_weight": 1.0, "scale": 16, "type": "CrossEntropyLoss", "log_prefix": f"softmax{i}"} for i in (1, 2)],
        "evaluator_cfg.transform": [{"type": "BaseSilTransform"}],
        "optimizer_cfg.lr": 0.05,
        "scheduler_cfg.milestones": [80_000, 120_000],
        "trainer_cfg.total_iter": 150_000,
        "trainer_cfg.sampler": {
            "type": "BilateralSampler", "batch_size": [8, 64], "sample_type": "fixed_ordered", "frames_num_fixed": 16, "frames_skip_num": 4,
        },
        "trainer_cfg.transform": [{"type": "DA4GaitSSB", "cutting": 0}],
    },
)  # fmt: skip
