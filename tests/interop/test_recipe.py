"""OpenGait configurations become experiments, and whatever is not understood is named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments import supervised as ours
from gaitlab.config import differences, override
from gaitlab.data.shards import DataConfig
from gaitlab.evaluation.protocols import PROTOCOLS
from gaitlab.experiment import Benchmark, Experiment, OptimConfig
from gaitlab.interop.opengait import read_experiment, read_recipe
from gaitlab.interop.opengait.benchmarks import RULES
from gaitlab.types import Augment
from tests.interop import configs
from tests.interop.configs import changed

BASE = configs.GAITBASE_CASIA_B
RHYTHM = ("name", "train.checkpoint_every", "train.log_every", "method.self_distance")


def differing(config: dict[str, Any], known: Experiment) -> list[str]:
    """Fields in which a configuration means another experiment than `known`; rhythm and rounding may differ."""
    return [line for line in differences(read_experiment(config), known) if not line.startswith(RHYTHM)]


@pytest.mark.parametrize(
    ("config", "known"),
    [
        (configs.GAITSET_CASIA_B, override(ours.GAITSET_CASIA_B, {"method.identity_weight": 0.0})),
        (configs.GAITBASE_CASIA_B, ours.GAITBASE_CASIA_B),
        (configs.GAITBASE_GAIT3D, ours.GAITBASE_GAIT3D),
        (configs.DEEPGAITV2_SUSTECH1K, ours.DEEPGAITV2_SUSTECH1K),
    ],
    ids=lambda value: value.name if isinstance(value, Experiment) else "",
)
def test_the_published_configurations_are_the_published_experiments(config: dict[str, Any], known: Experiment) -> None:
    assert not differing(config, known)


def test_gaitpart_on_oumvlp(tmp_path: Path) -> None:
    path = tmp_path / "gaitpart.yaml"
    path.write_text(yaml.safe_dump(configs.GAITPART_OUMVLP))
    recipe = read_recipe(path)
    experiment, clip = recipe.experiment, recipe.experiment.method.clips()["gait"]
    assert experiment.optim == OptimConfig(name="adam", lr=1e-4, weight_decay=0.0, milestones=(150_000,))
    assert (experiment.train.steps, experiment.train.precision, experiment.batch_size) == (250_000, "float16", 512)
    assert (clip.frames, clip.order, clip.skip, clip.width, clip.limit) == (30, "ordered", 10, 44, 720)
    assert (recipe.subjects, experiment.data.root, experiment.benchmarks) == (0, "oumvlp", (Benchmark(protocol="oumvlp"),))
    assert recipe.ingest == (
        "python pipelines/ingest.py opengait --root /data/CASIA-B-pkl --layout oumvlp "
        "--partition ./datasets/CASIA-B/CASIA-B.json --out oumvlp"
    )


def test_what_has_no_effect_is_noted_and_nothing_else() -> None:
    noted = {note.partition(" (")[0] for note in read_recipe(configs.GAITPART_OUMVLP).notes}
    assert noted == {
        "data_cfg.num_workers", "data_cfg.remove_no_gallery", "evaluator_cfg.enable_float16", "evaluator_cfg.restore_hint",
        "evaluator_cfg.restore_ckpt_strict", "evaluator_cfg.save_name", "evaluator_cfg.sampler.batch_size",
        "evaluator_cfg.sampler.batch_shuffle", "optimizer_cfg.momentum", "trainer_cfg.sampler.batch_shuffle",
        "trainer_cfg.sampler.frames_num_min", "trainer_cfg.sampler.frames_num_max", "trainer_cfg.sync_BN",
        "trainer_cfg.transform[0].img_w",
    }  # fmt: skip
    loud = {
        "trainer_cfg.restore_hint": "old.pt", "trainer_cfg.restore_ckpt_strict": False, "trainer_cfg.with_test": True,
        "trainer_cfg.find_unused_parameters": True, "trainer_cfg.sampler.sample_type": "fixed_allordered", "data_cfg.cache": True,
        "loss_cfg.0.loss_term_weights": 1.0,
    }  # fmt: skip
    notes = read_recipe(changed(BASE, loud)).notes
    for path in loud:
        assert any(note.startswith(path.replace("loss_cfg.0", "loss_cfg[0]") + " (") for note in notes), path


def test_little_is_needed_for_the_defaults() -> None:
    bare = {key: BASE[key] for key in ("model_cfg",)} | {"data_cfg": {"dataset_name": "CASIA-B"}, "loss_cfg": BASE["loss_cfg"][0]}
    experiment = read_experiment(bare)
    assert experiment.optim == OptimConfig(milestones=(20_000, 40_000, 60_000))
    assert (experiment.train.steps, experiment.train.checkpoint_every, experiment.train.log_every) == (80_000, 2000, 100)
    clip = experiment.method.clips()["gait"]
    assert (clip.frames, clip.order, clip.width, clip.augment) == (30, "unordered", 44, Augment())
    assert clip.limit > 100_000


# -- every part by itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sample_type": "fixed_ordered", "frames_skip_num": 0}, {"order": "ordered", "skip": 0, "frames": 30}),
        ({"sample_type": "unfixed_ordered", "frames_skip_num": 4}, {"order": "ordered", "frames": (25, 50)}),
        ({"sample_type": "unfixed_allordered"}, {"order": "unordered", "frames": (25, 50)}),
        ({"sample_type": "all_ordered", "frames_all_limit": 720}, {"frames": None, "limit": 720}),
    ],
)
def test_frames(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    clip = read_experiment(changed(BASE, {f"trainer_cfg.sampler.{key}": value for key, value in changes.items()})).method.clips()["gait"]
    assert {key: getattr(clip, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("steps", "width", "augment"),
    [
        ([{"type": "BaseSilTransform"}], None, Augment()),
        ([{"type": "BaseSilCuttingTransform", "cutting": 0}], None, Augment()),
        ([{"type": "BaseSilCuttingTransform", "cutting": 4}], 56, Augment()),
        (configs.compose(configs.MIXED), 44, Augment(perspective=0.2, flip=0.2, rotate=0.2)),
        ([{"type": "DA4GaitSSB", "cutting": 10}], 44, Augment(affine=0.2, perspective=0.2, flip=0.5, dilate=0.2, blur=0.2)),
        (
            configs.compose(
                [
                    {"type": "RandomAffine", "prob": 0.1, "degree": 10},
                    {"type": "BaseSilTransform"},
                    {"type": "RandomErasing", "prob": 1, "sl": 0.05, "per_frame": False},
                    {"type": "RandomPartDilate", "prob": 0.3},
                    {"type": "RandomPartBlur", "prob": 0.4},
                ]
            ),
            None,
            Augment(affine=0.1, erase=1.0, dilate=0.3, blur=0.4),
        ),
    ],
)
def test_transforms(steps: list[dict[str, Any]], width: int | None, augment: Augment) -> None:
    crop = [{"type": "BaseSilTransform"} if width is None else {"type": "BaseSilCuttingTransform", "cutting": (64 - width) // 2}]
    clip = read_experiment(changed(BASE, {"trainer_cfg.transform": steps, "evaluator_cfg.transform": crop})).method.clips()["gait"]
    assert (clip.width, clip.augment) == (width, augment)


def test_what_a_network_sees_and_which_file_it_is() -> None:
    depth = {"model_cfg.Backbone.in_channels": 3, "data_cfg.data_in_use": [False, True]}
    recipe = read_recipe(changed(configs.DEEPGAITV2_SUSTECH1K, depth))
    assert recipe.experiment.method.clips()["gait"].modality == "depth"
    assert recipe.ingest.endswith("--out sustech1k")  # where the layout looks anyway
    maps = {"model_cfg.Backbone.in_channels": 2, "data_cfg.data_in_use": "GONE"}
    recipe = read_recipe(changed(configs.DEEPGAITV2_SUSTECH1K, maps))
    assert recipe.experiment.method.clips()["gait"].modality == "skeleton"
    assert recipe.ingest.endswith("--use skeleton=0")
    assert "--use" not in read_recipe(changed(configs.DEEPGAITV2_SUSTECH1K, {"data_cfg.data_in_use": [6]})).ingest
    assert read_recipe(changed(configs.DEEPGAITV2_SUSTECH1K, {"data_cfg.data_in_use": [14]})).ingest.endswith("--use silhouette=14")


def test_networks_with_two_inputs() -> None:
    plain = {"type": "Plain", "in_channels": 1, "layers_cfg": ["BC-64", "BC-64", "M", "BC-128", "BC-128", "M", "BC-256", "BC-256"]}
    heads = {key: BASE["model_cfg"][key] | {"in_channels": 256, "parts_num": 31} for key in ("SeparateFCs", "SeparateBNNecks")}
    two = [{"type": "BaseSilCuttingTransform"}, {"type": "NoOperation"}]
    smplgait = {
        "model_cfg": {"model": "SMPLGait", "backbone_cfg": plain, "bin_num": [16, 8, 4, 2, 1], **heads},
        "data_cfg.data_in_use": [True, True],
        "trainer_cfg.transform": two,
        "evaluator_cfg.transform": two,
    }
    recipe = read_recipe(changed(configs.GAITBASE_GAIT3D, smplgait))
    assert {clip.modality: clip.width for clip in recipe.experiment.method.clips().values()} == {"silhouette": 44, "smpl": None}
    assert recipe.ingest.endswith("--use silhouette=0 smpl=1")
    backbone = {"in_channels": 3, "blocks": [1, 1, 1, 1], "C": 2}
    both = {
        "model_cfg": {"model": "SkeletonGaitPP", "Backbone": backbone, "SeparateBNNecks": {"class_num": 100}},
        "data_cfg.data_in_use": [True, True],
    }
    ccpg = configs.of("CCPG") | {"evaluator_cfg.eval_func": "evaluate_CCPG"}
    recipe = read_recipe(changed(configs.DEEPGAITV2_SUSTECH1K, ccpg | both))
    assert {clip.modality for clip in recipe.experiment.method.clips().values()} == {"silhouette", "skeleton"}
    assert recipe.ingest.endswith("--use skeleton=0 silhouette=1")


def test_optimiser_and_schedule() -> None:
    changes = {
        "optimizer_cfg": {"solver": "AdamW", "lr": 3e-4},
        "scheduler_cfg": {"scheduler": "CosineAnnealingLR", "T_max": 60_000},
        "trainer_cfg.enable_float16": False,
    }
    experiment = read_experiment(changed(BASE, changes))
    assert experiment.optim == OptimConfig(name="adamw", lr=3e-4, weight_decay=5e-4, schedule="cosine")
    assert experiment.train.precision == "float32"
    resets = read_recipe(changed(BASE, {"trainer_cfg.optimizer_reset": True}))
    assert (resets.reset_optimiser, resets.reset_schedule) == (True, False)


def test_tests() -> None:
    def tested(**changes: Any) -> tuple[Benchmark, ...]:
        return read_experiment(changed(BASE, {path.replace("__", "."): value for path, value in changes.items()})).benchmarks

    assert tested(evaluator_cfg__cross_view_gallery=True) == (Benchmark(protocol="casia-b-cross"),)
    elsewhere = tested(data_cfg__test_dataset_name="Gait3D", evaluator_cfg__eval_func="evaluate_Gait3D")
    assert elsewhere == (Benchmark(protocol="gait3d", data=DataConfig(root="gait3d")),)
    hid = {"data_cfg__dataset_name": "HID", "data_cfg__test_dataset_name": "HID", "evaluator_cfg__eval_func": "HID_submission"}
    assert tested(**hid, evaluator_cfg__rerank=False) == (Benchmark(protocol="hid"),)
    assert tested(**hid) == (Benchmark(protocol="hid-reranked"),)
    assert tested(evaluator_cfg__metric="cos") == (Benchmark(protocol="casia-b", distance="cosine"),)


def test_every_rule_is_a_protocol() -> None:
    assert set(RULES.values()) <= set(PROTOCOLS)


def test_pretraining_without_labels() -> None:
    recipe = read_recipe(configs.GAITSSB)
    data, clips = recipe.experiment.data, recipe.experiment.method.clips()
    assert (data.root, recipe.experiment.batch_size, data.draw) == ("gaitlu-1m", 512, "walks")
    assert len(clips) == 2
    for clip in clips.values():
        assert (clip.frames, clip.order, clip.skip, clip.width) == (16, "ordered", 4, None)
        assert clip.augment == Augment(affine=0.2, perspective=0.2, flip=0.5, dilate=0.2, blur=0.2)
    assert recipe.experiment.benchmarks == ()
    common = changed(configs.GAITSSB, {"trainer_cfg.sampler.type": "CommonSampler", "trainer_cfg.sampler.batch_size": 96})
    assert read_experiment(common).batch_size == 96


def test_classes_that_are_no_people() -> None:
    named = configs.of("Scoliosis1K", 3) | {"model_cfg.model": "ScoNet", "evaluator_cfg.eval_func": "evaluate_scoliosis"}
    recipe = read_recipe(changed(BASE, named))
    assert (recipe.subjects, len(recipe.experiment.method.targets())) == (0, 3)


def test_batch_norm_is_frozen_where_the_method_can() -> None:
    changes = {
        "model_cfg": yaml.safe_load(configs.SSB)["model_cfg"] | {"model": "GaitSSB_Finetune"},
        "loss_cfg.0.margin": 0.3,
        "trainer_cfg.fix_BN": True,
    }
    config = changed(changed(BASE, {"loss_cfg": BASE["loss_cfg"][:1]}), changes)
    experiment = read_experiment(config)
    assert experiment.method.freeze_norms  # type: ignore[attr-defined]
    assert experiment.optim.least_lr == 1e-4
    with pytest.raises(ValueError, match=r"^trainer_cfg.fix_BN: batch norm always learns in this network: write false$"):
        read_experiment(changed(BASE, {"trainer_cfg.fix_BN": True}))


# -- what is wrong is named --------------------------------------------------------------------------------------------

FLIP, ROTATE, CROP = {"type": "RandomHorizontalFlip", "prob": 0.2}, {"type": "RandomRotate", "prob": 0.2}, {"type": "BaseSilTransform"}
FINE: dict[str, Any] = {"model_cfg.model": "GaitSSB_Finetune", "loss_cfg": [{"type": "TripletLoss", "margin": 0.3}]}
SAMPLER, RESNET = "trainer_cfg.sampler", "model_cfg.backbone_cfg"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"optimiser_cfg": {}}, r"optimiser_cfg is not understood; did you mean 'optimizer_cfg'"),
        ({"data_cfg.dataset_rot": "x"}, r"data_cfg.dataset_rot is not understood; did you mean 'dataset_root'"),
        ({"data_cfg.dataset_name": "GONE"}, r"data_cfg.dataset_name is missing; is 'test_dataset_name' meant to be it"),
        ({"data_cfg.dataset_name": "CASIAB"}, r"data_cfg.dataset_name is 'CASIAB'; did you mean 'casia-b'"),
        ({"data_cfg.test_dataset_name": "moon"}, r"data_cfg.test_dataset_name is 'moon'; known are casia-b"),
        ({"data_cfg.data_in_use": [True, True]}, r"data_cfg.data_in_use uses 2 files; this network sees silhouette"),
        ({"data_cfg.data_in_use": "all"}, r"data_cfg.data_in_use is 'all'; it takes a list"),
        ({"data_cfg": 3}, r"data_cfg is 3; it takes names and values"),
        ({"loss_cfg": "TripletLoss"}, r"loss_cfg is a list of losses"),
        ({"loss_cfg.0.margn": 1}, r"margn"),
        ({"model_cfg.model": "GONE"}, r"model_cfg names no model"),
        ({"model_cfg.model": "SwinGait"}, r"model_cfg.model is 'SwinGait'"),
        ({"loss_cfg.0.margin": "abc"}, r"^loss_cfg\[0\].margin is 'abc'; it takes a number$"),
        ({"loss_cfg.0.margin": "2e-1"}, r"^loss_cfg\[0\].margin is '2e-1'; it takes a number; .* written 2.0e-1$"),
        ({"loss_cfg.0.margin": float("nan")}, r"^loss_cfg\[0\].margin is nan; it takes a finite number$"),
        ({"loss_cfg.0.margin": 10**400}, r"^loss_cfg\[0\].margin is 10+; it takes a finite number$"),
        ({"loss_cfg.0.margin": "GONE"}, r"^loss_cfg\[0\].margin is missing$"),
        ({"loss_cfg.0.loss_term_weight": -1}, r"^loss_cfg\[0\].loss_term_weight is -1; it is 0 or more$"),
        ({"loss_cfg.0.type": "GONE"}, r"^loss_cfg\[0\].type is missing$"),
        ({"loss_cfg.1.scale": "x"}, r"^loss_cfg\[1\].scale is 'x'; it takes a number$"),
        ({"loss_cfg.1.label_smooth": "yes"}, r"^loss_cfg\[1\].label_smooth is 'yes'; it takes true or false$"),
        ({"loss_cfg.1.eps": 2}, r"^loss_cfg\[1\].eps is 2; it is 0 to 1$"),
        ({"loss_cfg.1.log_accuracy": 3}, r"^loss_cfg\[1\].log_accuracy is 3; it takes true or false$"),
        ({"loss_cfg.1": BASE["loss_cfg"][0]}, r"^loss_cfg\[1\].type is TripletLoss once more; .* leave one out$"),
        ({"loss_cfg": []}, r"^loss_cfg trains nothing; this network takes a TripletLoss, a CrossEntropyLoss or both, e.g. '- {type: Tri"),
        ({"loss_cfg": [BASE["loss_cfg"][0] | {"loss_term_weight": 0}]}, r"^loss_cfg trains nothing; this network takes a TripletLoss, a"),
        ({"model_cfg": configs.GAITSET_CASIA_B["model_cfg"], "loss_cfg": []}, r"^loss_cfg trains nothing; .* takes a TripletLoss, e.g."),
        ({"model_cfg": configs.GAITSET_CASIA_B["model_cfg"]}, r"^loss_cfg\[1\].type is 'CrossEntropyLoss'; this network takes TripletLoss"),
        ({"model_cfg.bin_num": 16}, r"^model_cfg.bin_num is 16; it takes a list of whole numbers, e.g. \[8, 16\]$"),
        ({"model_cfg.bin_num": "GONE"}, r"^model_cfg.bin_num is missing$"),
        ({"model_cfg.bin_num": []}, r"^model_cfg.bin_num is empty"),
        ({"model_cfg.bin_num": [16, 0]}, r"^model_cfg.bin_num is \[16, 0\]; each is 1 or more$"),
        ({"model_cfg.bin_numm": 16}, r"^model_cfg.bin_numm is not understood; did you mean 'bin_num'\?$"),
        ({"model_cfg.use_emb2": "yes"}, r"^model_cfg.use_emb2 is 'yes'; it takes true or false$"),
        ({"model_cfg.SeparateBNNecks.class_num": "many"}, r"^model_cfg.SeparateBNNecks.class_num is 'many'; it takes a whole number$"),
        ({"model_cfg.SeparateBNNecks": 74}, r"^model_cfg.SeparateBNNecks is 74; it takes names and values"),
        ({"model_cfg.SeparateFCs.out_channels": 2.5}, r"^model_cfg.SeparateFCs.out_channels is 2.5; it takes a whole number$"),
        ({"model_cfg.SeparateFCs.parts_num": "x"}, r"^model_cfg.SeparateFCs.parts_num is 'x'; it takes a whole number$"),
        ({"model_cfg.SeparateFCs": "GONE"}, r"^model_cfg.SeparateFCs is missing"),
        ({f"{RESNET}.channels": "abc"}, r"^model_cfg.backbone_cfg.channels is 'abc'; it takes a list of whole numbers"),
        ({f"{RESNET}.channels": [4, "x", 8]}, r"^model_cfg.backbone_cfg.channels is \[4, 'x', 8\]; it takes a list of whole numbers"),
        ({f"{RESNET}.layers": [1, 1]}, r"^model_cfg.backbone_cfg.layers is \[1, 1\]; it takes 4 of them$"),
        ({f"{RESNET}.strides": "GONE"}, r"^model_cfg.backbone_cfg.strides is missing$"),
        ({f"{RESNET}.maxpool": 1}, r"^model_cfg.backbone_cfg.maxpool is 1; it takes true or false$"),
        ({f"{RESNET}.type": "GONE"}, r"^model_cfg.backbone_cfg.type is missing$"),
        ({f"{RESNET}.type": "ResNet50"}, r"^model_cfg.backbone_cfg.type is 'ResNet50'; this gaitlab reads ResNet9 and Plain$"),
        ({RESNET: {"type": "Plain", "layers_cfg": "BC-64"}}, r"^model_cfg.backbone_cfg.layers_cfg is 'BC-64'; it takes a list of words"),
        ({RESNET: {"type": "Plain", "layers_cfg": ["BC-64", "XX-1"]}}, r"^model_cfg.backbone_cfg.layers_cfg\[1\] is 'XX-1'; known are"),
        ({RESNET: {"type": "Plain", "layers_cfg": ["M"]}}, r"^model_cfg.backbone_cfg.layers_cfg has no convolution"),
        ({"model_cfg": {"model": "GaitGL", "channels": [32, 64]}}, r"^model_cfg.channels is \[32, 64\]; GaitGL's are three widths"),
        ({"model_cfg": configs.SCONET, "loss_cfg.1.scale": True}, r"^loss_cfg\[1\].scale is True; it takes a number$"),
        ({"model_cfg": configs.SCONET | {"SeparateBNNecks": {}}}, r"^model_cfg.SeparateBNNecks.class_num is missing$"),
        ({"optimizer_cfg.lr": "1e-4"}, r"optimizer_cfg.lr is '1e-4'; it takes a number; .* written 1.0e-4"),
        ({"optimizer_cfg.lr": "0.1"}, r"optimizer_cfg.lr is '0.1'; it takes a number$"),
        ({"optimizer_cfg.lr": True}, r"optimizer_cfg.lr is True; it takes a number$"),
        ({"optimizer_cfg.solver": "Sgd"}, r"optimizer_cfg.solver is 'Sgd'; did you mean 'SGD'|known are SGD, Adam, AdamW"),
        ({"optimizer_cfg.nesterov": True}, r"optimizer_cfg.nesterov is not understood"),
        ({"scheduler_cfg.milestone": [1]}, r"scheduler_cfg.milestone is not understood; did you mean 'milestones'"),
        ({"scheduler_cfg.milestones": 100}, r"scheduler_cfg.milestones is 100; it takes a list of whole numbers"),
        ({"scheduler_cfg.milestones": [1.5]}, r"scheduler_cfg.milestones is \[1.5\]"),
        ({"scheduler_cfg.scheduler": "StepLR"}, r"scheduler_cfg.scheduler is 'StepLR'; did you mean 'MultiStepLR'"),
        ({"scheduler_cfg": {"scheduler": "CosineAnnealingLR", "T_max": 5}}, r"scheduler_cfg.T_max is 5; .* write 60000"),
        ({"scheduler_cfg": {"scheduler": "CosineAnnealingLR", "T_max": 60000, "eta_min": 0.1}}, r"scheduler_cfg.eta_min"),
        ({"trainer_cfg.total_iters": 5}, r"trainer_cfg.total_iters is not understood; did you mean 'total_iter'"),
        ({"trainer_cfg.total_iter": "60000"}, r"trainer_cfg.total_iter is '60000'; it takes a whole number"),
        ({"trainer_cfg.save_iter": 0}, r"trainer_cfg.save_iter is 0; it is 1 or more"),
        ({"trainer_cfg.enable_float16": "yes"}, r"trainer_cfg.enable_float16 is 'yes'; it takes true or false$"),
        ({"trainer_cfg.fix_bn": False}, r"trainer_cfg.fix_bn is not understood; did you mean 'fix_BN'"),
        ({f"{SAMPLER}.frames_num_fixd": 3}, r"trainer_cfg.sampler.frames_num_fixd is not understood; did you mean 'frames_num_fixed'"),
        ({"trainer_cfg.sampler.type": "TripletSampelr"}, r"trainer_cfg.sampler.type is 'TripletSampelr'; did you mean 'TripletSampler'"),
        ({"trainer_cfg.sampler.sample_type": "fixed_unorderd"}, r"trainer_cfg.sampler.sample_type .* did you mean 'fixed_unordered'"),
        ({"trainer_cfg.sampler.sample_type": "fixed_ordered"}, r"trainer_cfg.sampler.frames_skip_num is missing"),
        ({"trainer_cfg.sampler.batch_size": 128}, r"trainer_cfg.sampler.batch_size is 128; it takes a list"),
        ({"trainer_cfg.sampler.batch_size": [8, 16, 2]}, r"trainer_cfg.sampler.batch_size is \[8, 16, 2\]; it takes people and walks"),
        ({f"{SAMPLER}.sample_type": "unfixed_unordered", f"{SAMPLER}.frames_num_min": 60}, r"frames_num_min is 60, above"),
        ({f"{SAMPLER}.sample_type": "all_ordered"}, r"trainer_cfg.sampler.frames_all_limit and evaluator_cfg.sampler.frames_all_limit"),
        ({"trainer_cfg.transform": [FLIP, CROP]}, r"trainer_cfg.transform has 2 entries"),
        ({"trainer_cfg.transform": [{"type": "Compose"}]}, r"trainer_cfg.transform\[0\].trf_cfg is missing"),
        ({"trainer_cfg.transform": [{"typ": "Compose"}]}, r"trainer_cfg.transform\[0\].type is missing; is 'typ' meant to be it"),
        ({"trainer_cfg.transform": configs.compose([FLIP])}, r"trainer_cfg.transform has neither BaseSilCuttingTransform nor"),
        ({"trainer_cfg.transform": configs.compose([FLIP, CROP])}, r"trf_cfg\[1\]: the crop comes after RandomHorizontalFlip"),
        ({"trainer_cfg.transform": configs.compose([CROP, ROTATE, FLIP])}, r"trf_cfg\[2\]: RandomHorizontalFlip comes after RandomRotate"),
        ({"trainer_cfg.transform": configs.compose([CROP, FLIP, FLIP])}, r"RandomHorizontalFlip comes after RandomHorizontalFlip"),
        ({"trainer_cfg.transform": configs.compose([CROP, FLIP | {"degree": 5}])}, r"trf_cfg\[1\].degree is not understood; known are"),
        ({"trainer_cfg.transform": configs.compose([CROP, ROTATE | {"degree": 5}])}, r"trf_cfg\[1\].degree is 5; RandomRotate has 10 here"),
        ({"trainer_cfg.transform": configs.compose([CROP, {"type": "RandomRotate"}])}, r"trf_cfg\[1\].prob is missing"),
        ({"trainer_cfg.transform": configs.compose([CROP, FLIP | {"prob": 2}])}, r"Augment.flip is 0 to 1"),
        ({"trainer_cfg.transform": configs.compose([CROP, {"type": "RandomCrop"}])}, r"trf_cfg\[1\].type is 'RandomCrop'; known are"),
        ({"trainer_cfg.transform": [CROP]}, r"evaluator_cfg.transform keeps 44 columns, trainer_cfg.transform all columns"),
        ({"trainer_cfg.transform": [{"type": "BaseSilCuttingTransform", "cutting": 40}]}, r"trainer_cfg.transform\[0\].cutting is 40"),
        ({"trainer_cfg.transform": [CROP | {"divsor": 1}]}, r"trainer_cfg.transform\[0\].divsor is 1"),
        ({"evaluator_cfg.transform": configs.compose([*configs.MIXED])}, r"evaluator_cfg.transform changes the walks at random \(persp"),
        ({"evaluator_cfg.sampler.sample_type": "fixed_ordered"}, r"evaluator_cfg.sampler.sample_type takes fixed frames"),
        ({"evaluator_cfg.sampler.frames_al_limit": 5}, r"evaluator_cfg.sampler.frames_al_limit .* did you mean 'frames_all_limit'"),
        ({"evaluator_cfg.metric": "l2"}, r"evaluator_cfg.metric is 'l2'; known are euc, cos"),
        ({"evaluator_cfg.eval_func": "evaluate_Gait3D"}, r"evaluator_cfg.eval_func: evaluate_Gait3D is not known for casia-b; there is"),
        ({"evaluator_cfg.rerank": True}, r"evaluate_indoor_dataset with rerank is not known for casia-b"),
        ({"evaluator_cfg.eval_fnc": "x"}, r"evaluator_cfg.eval_fnc is not understood; did you mean 'eval_func'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        read_experiment(changed(BASE, changes))
    assert "\n" not in str(caught.value)


def test_every_key_is_read_noted_or_named() -> None:
    """A letter too many in any key is an error that names the key."""

    def keys(level: Any, path: str = "") -> list[str]:
        items = level.items() if isinstance(level, dict) else enumerate(level) if isinstance(level, list) else []
        below = [deeper for key, value in items for deeper in keys(value, f"{path}{key}.")]
        return ([f"{path}{key}" for key in level] if isinstance(level, dict) else []) + below

    for config in (BASE, configs.GAITBASE_GAIT3D, configs.DEEPGAITV2_SUSTECH1K, configs.GAITPART_OUMVLP):
        for path in keys(config):
            *levels, key = path.split(".")
            inner: Any = config
            for level in levels:
                inner = inner[int(level)] if isinstance(inner, list) else inner[level]
            with pytest.raises(ValueError, match=f"{key}|{key}x"):
                read_experiment(changed(config, {f"{path}x": inner[key], path: "GONE"}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"loss_cfg.1.scale": 8}, r"^loss_cfg\[1\]: GaitSSB_Pretrain has two cross-entropies, which are alike"),
        ({"loss_cfg": [configs.GAITSSB["loss_cfg"][0]] * 3}, r"^loss_cfg\[2\]: GaitSSB_Pretrain has two cross-entropies"),
        ({"loss_cfg.0.loss_term_weight": 0.5}, r"^loss_cfg\[0\].loss_term_weight is 0.5; .* have weight 1: leave it out$"),
        ({"loss_cfg.0.type": "TripletLoss"}, r"^loss_cfg\[0\].type is 'TripletLoss'; GaitSSB_Pretrain takes CrossEntropyLoss only$"),
        ({"model_cfg.parts_num": 16}, r"^model_cfg.parts_num is 16; GaitSSB's pyramid has 31$"),
        ({"model_cfg.model": "GaitSSB_Finetune", "loss_cfg": []}, r"^loss_cfg trains nothing; this network takes a TripletLoss, e.g."),
        (FINE | {"loss_cfg.0.loss_term_weight": 0.5}, r"^loss_cfg\[0\].loss_term_weight is 0.5; GaitSSB_Finetune has one TripletLoss"),
        (FINE | {"model_cfg.backbone_lr": [0, "1e-3", 0, 0]}, r"^model_cfg.backbone_lr is .* list of numbers.* written 1.0e-3$"),
        (FINE | {"model_cfg.backbone_lr": [0.1]}, r"^model_cfg.backbone_lr is \[0.1\]; it takes 4 of them$"),
        (FINE | {"model_cfg.projector_lr": "x"}, r"^model_cfg.projector_lr is 'x'; it takes a number$"),
    ],
)
def test_what_is_wrong_with_gaitssb_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_experiment(changed(configs.GAITSSB, changes))


def test_the_configuration_is_left_as_it_was() -> None:
    before = yaml.safe_dump(BASE)
    read_experiment(BASE)
    assert yaml.safe_dump(BASE) == before


def test_the_name_tells_runs_apart() -> None:
    assert read_experiment(BASE).name == "Mine-casia-b"
    assert replace(read_experiment(BASE), name="x") == replace(read_experiment(changed(BASE, {"trainer_cfg.save_name": "Other"})), name="x")
