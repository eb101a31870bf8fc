"""OpenGait checkpoints: opened, tested, continued, given back."""

import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from gaitlab.config import override
from gaitlab.data.ingest import ingest
from gaitlab.data.shards import DataConfig, open_data
from gaitlab.data.sources.opengait import OpenGaitSource
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Experiment
from gaitlab.interop.opengait import export_state, load_checkpoint, open_run, read_experiment, read_run, write_run
from gaitlab.method import Method
from gaitlab.rng import Rng
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import read_config
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.batches import make_feed
from gaitlab.training.benchmark import report
from gaitlab.training.fit import retest
from gaitlab.training.loop import train
from gaitlab.training.optim import Optimisers
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained
from tests.interop import configs
from tests.interop.configs import changed
from tests.processes import ROOT, pipeline
from tests.test_end_to_end import casia_b

PEOPLE = 4
CPU = torch.device("cpu")
NARROW = {
    "model_cfg.backbone_cfg.channels": [4, 8, 8, 8],
    "model_cfg.SeparateFCs": {"in_channels": 8, "out_channels": 8, "parts_num": 16},
    "model_cfg.SeparateBNNecks": {"class_num": PEOPLE, "in_channels": 8, "parts_num": 16},
    "trainer_cfg.enable_float16": False,
    "trainer_cfg.total_iter": 4,
    "trainer_cfg.sampler.batch_size": [4, 2],
    "trainer_cfg.sampler.frames_num_fixed": 4,
    "optimizer_cfg.lr": 0.01,
    "scheduler_cfg.milestones": [3],
}
TINY = changed(configs.GAITBASE_CASIA_B, NARROW)
ADAM = changed(TINY, {"optimizer_cfg": {"solver": "Adam", "lr": 1e-3, "weight_decay": 0.0}})


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """So small a network is fastest on one thread, above all where others compute, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people as CASIA-B, by way of OpenGait's pickles."""
    root = tmp_path_factory.mktemp("casia-b")
    source = OpenGaitSource(root=str(root / "raw"), layout="casia-b", partition=str(casia_b(root / "raw")))
    return ingest(source, root / "shards", progress=False).root


def peer_checkpoint(path: Path, method: Method, optimisers: Optimisers | None = None, step: int = 0) -> Path:
    """What OpenGait saves: weights, and an optimiser's state by the number of the parameter, in another order than ours."""
    state = dict(reversed(export_state(method).items()))
    content: dict[str, Any] = {"model": state, "iteration": step}
    if optimisers is not None:
        (ours,) = optimisers.state_dict()
        numbers = {id(parameter): i for i, parameter in enumerate(optimisers.parameters)}
        held = {name: ours["state"][numbers[id(parameter)]] for name, parameter in method.named_parameters()}
        names = [name for name in state if name.rpartition(".")[2] not in ("running_mean", "running_var", "num_batches_tracked")]
        kinds = next(iter(held.values())).keys()
        slots = {kind: renamed(method, {name: state[kind] for name, state in held.items()}) for kind in kinds}
        content["optimizer"] = {
            "state": {i: {slot: values[name] for slot, values in slots.items()} for i, name in enumerate(names)},
            "param_groups": [{**ours["param_groups"][0], "params": list(range(len(names)))}],
        }
        content["scheduler"] = {"milestones": Counter({3: 1}), "last_epoch": step, "gamma": 0.1}
    torch.save(content, path)
    return path


def renamed(method: Method, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under OpenGait's names; one number a parameter (Adam's steps) stays one."""
    shaped = {name: value if value.dim() else value.expand(method.get_parameter(name).shape) for name, value in tensors.items()}
    stood = {name: value.clone() for name, value in method.state_dict().items()}
    method.load_state_dict(stood | shaped)
    out = export_state(method)
    method.load_state_dict(stood)
    scalar = not next(iter(tensors.values())).dim()
    return {name: value.flatten()[0] if scalar else value for name, value in out.items()}


def trained_for(experiment: Experiment, root: Path, steps: int) -> tuple[Method, Optimisers]:
    """The network and the optimiser after some steps of the loop's own, to compare with."""
    torch.manual_seed(0)
    method = experiment.method.build(PEOPLE)
    feed = make_feed(experiment, open_data(DataConfig(root=str(root))), LocalRun(lambda: root, device=CPU))
    optimisers = Optimisers(experiment.optim, method, experiment.train.steps)
    method.train()
    for step in range(steps):
        optimisers.set_rate(step)
        batch = feed.batch(step, CPU)
        method(batch, Rng(0, step, range(len(batch)))).total().backward()
        for optimiser in optimisers.all:
            optimiser.step()
        optimisers.zero_grad()
    return method, optimisers


def test_a_ready_network_and_its_experiment(tmp_path: Path) -> None:
    torch.manual_seed(0)
    method = read_experiment(TINY).method.build(PEOPLE)
    path = peer_checkpoint(tmp_path / "peer.pt", method)
    config = tmp_path / "peer.yaml"
    config.write_text(yaml.safe_dump(changed(TINY, {"model_cfg.SeparateBNNecks": {"parts_num": 16}})))  # no number of classes
    experiment, opened = open_run(config, path)
    assert experiment == read_experiment(TINY)
    assert not opened.training
    for name, value in method.state_dict().items():
        assert torch.equal(value, opened.state_dict()[name]), name


@pytest.mark.parametrize("config", [TINY, ADAM], ids=["sgd", "adam"])
def test_a_run_goes_on_as_if_it_had_never_left(config: dict[str, Any], shards: Path, tmp_path: Path) -> None:
    """Two steps here, out and in again, two more steps: the weights of four steps."""
    experiment = override(read_experiment(config), {"data.root": str(shards)})
    method, optimisers = trained_for(experiment, shards, 2)
    run = read_run(config, peer_checkpoint(tmp_path / "peer.pt", method, optimisers, step=2), str(shards))
    assert (run.step, run.subjects, run.continuing) == (2, ("001", "002", "003", "004"), "")
    assert run.data_hash == open_data(run.experiment.data).hash
    assert run.optimiser.startswith("goes on with its")
    folder = tmp_path / "run"
    write_run(run, folder)
    here = LocalRun(lambda: folder, device=CPU)
    feed = make_feed(run.experiment, open_data(run.experiment.data), here)
    went_on = train(run.experiment, run.experiment.method.build(PEOPLE), feed, here, NoTracker(), data_hash=run.data_hash, resume=True)
    expected, _ = trained_for(experiment, shards, 4)
    for name, value in expected.state_dict().items():
        assert torch.allclose(value.float(), went_on.state_dict()[name].float(), rtol=1e-5, atol=1e-7), name


def test_import_evaluate_continue_export(shards: Path, tmp_path: Path) -> None:
    """The README's commands; the imported network has the table of the original."""
    experiment = override(read_experiment(TINY), {"data.root": str(shards)})
    method, optimisers = trained_for(experiment, shards, 3)
    config, weights, folder = tmp_path / "peer.yaml", peer_checkpoint(tmp_path / "peer.pt", method, optimisers, step=3), tmp_path / "run"
    config.write_text(yaml.safe_dump(TINY))
    imported = pipeline("opengait.py", "import", str(config), str(weights), "--out", str(folder), "--root", str(shards))
    assert imported.returncode == 0, imported.stderr
    assert "step 3, 4 classes" in imported.stdout
    assert "ignored: data_cfg.num_workers (" in imported.stdout

    here = LocalRun(lambda: folder, device=CPU)
    expected = report(experiment, method, open_data(experiment.data), protocol("casia-b"), here, NoTracker())
    tested = pipeline("evaluate.py", str(folder), "--root", str(shards), "--protocols", "casia-b", OMP_NUM_THREADS="1")
    assert tested.returncode == 0, tested.stderr
    assert expected.text() in tested.stdout

    resume = next(line for line in imported.stdout.splitlines() if line.startswith("go on: python pipelines/local.py ")).split()[4:]
    went_on = pipeline("local.py", *resume, OMP_NUM_THREADS="1")
    assert went_on.returncode == 0, went_on.stderr
    assert checkpoint.at(folder, 4)["subjects"] == ["001", "002", "003", "004"]

    out = tmp_path / "back.pt"
    exported = pipeline("opengait.py", "export", str(folder), "--out", str(out))
    assert exported.returncode == 0, exported.stderr
    last, network_now = trained(folder, here)
    assert last.name == experiment.name
    assert torch.load(out, weights_only=True).keys() == {"model"}
    for name, value in load_checkpoint(out).items():
        assert torch.equal(value, export_state(network_now)[name]), name
    again = pipeline("opengait.py", "export", str(folder), "--out", str(out))
    assert (again.returncode, again.stderr.strip()) == (2, f"error: {out} is there already; name another --out")


def test_an_export_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    write_run(read_run(TINY, peer_checkpoint(tmp_path / "peer.pt", read_experiment(TINY).method.build(PEOPLE))), tmp_path / "run")
    exported = pipeline("opengait.py", "export", str(tmp_path / "run"), "--out", str(tmp_path / "none" / "back.pt"))
    says = f"error: there is no folder {tmp_path / 'none'}; make it, or name another --out"
    assert (exported.returncode, exported.stderr.strip()) == (2, says)

    limited = (
        "import resource, runpy, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "runpy.run_path('pipelines/opengait.py', run_name='__main__')"
    )
    (tmp_path / "out").mkdir()
    arguments = ["export", str(tmp_path / "run"), "--out", str(tmp_path / "out" / "back.pt")]
    full = subprocess.run([sys.executable, "-c", limited, *arguments], cwd=ROOT, text=True, capture_output=True, check=False)
    assert full.returncode == 2, full.stderr
    assert len(full.stderr.strip().splitlines()) == 1
    assert not list((tmp_path / "out").iterdir())


def test_without_shards_it_can_be_tested_but_not_continued(shards: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    method = read_experiment(TINY).method.build(PEOPLE)
    run = read_run(TINY, peer_checkpoint(tmp_path / "peer.pt", method, step=9))
    assert (run.step, run.subjects, run.data_hash) == (9, ("0", "1", "2", "3"), "")
    assert "needs the shards casia-b: python pipelines/ingest.py opengait --root /data/CASIA-B-pkl" in run.continuing
    assert run.optimiser == "starts afresh: the checkpoint holds none"
    write_run(run, tmp_path / "run")
    here = LocalRun(lambda: tmp_path / "run", device=CPU)
    summary = retest(tmp_path / "run", here, NoTracker(), data=DataConfig(root=str(shards)), protocols=("casia-b",))
    assert 0 <= summary.headline <= 100
    assert read_config(tmp_path / "run") == run.experiment
    with pytest.raises(ValueError, match="holds a run already; name another --out"):
        write_run(run, tmp_path / "run")


def test_classes_and_people_must_agree(shards: Path, tmp_path: Path) -> None:
    config = changed(TINY, {"model_cfg.SeparateBNNecks.class_num": 7})
    path = peer_checkpoint(tmp_path / "peer.pt", read_experiment(config).method.build(7))
    with pytest.raises(ValueError, match=r"has 4 training people, the checkpoint 7 classes; leave --root out to test only, or ingest"):
        read_run(config, path, str(shards))
    with pytest.raises(ValueError, match=r"does not fit this network: .*BNNecks.fc_bin \(shape \[16, 8, 7\], ours \[16, 8, 4\]"):
        open_run(TINY, path)
    with pytest.raises(ValueError, match="does not exist"):
        read_run(config, path, str(tmp_path / "nowhere"))


def test_a_schedule_that_is_reset_starts_over(shards: Path, tmp_path: Path) -> None:
    experiment = override(read_experiment(TINY), {"data.root": str(shards)})
    path = peer_checkpoint(tmp_path / "peer.pt", *trained_for(experiment, shards, 2), step=2)
    run = read_run(changed(TINY, {"trainer_cfg.optimizer_reset": True, "trainer_cfg.scheduler_reset": True}), path)
    assert (run.step, run.optimiser, run.optimisers[0]["state"]) == (0, "starts afresh, as optimizer_reset says", {})


def test_an_optimiser_that_does_not_fit_starts_afresh(shards: Path, tmp_path: Path) -> None:
    experiment = override(read_experiment(TINY), {"data.root": str(shards)})
    path = peer_checkpoint(tmp_path / "peer.pt", *trained_for(experiment, shards, 1), step=1)
    content = torch.load(path, weights_only=True)

    def said(change: Any, config: dict[str, Any] = TINY) -> str:
        other = {"model": dict(content["model"]), "iteration": 1, "optimizer": {k: v.copy() for k, v in content["optimizer"].items()}}
        change(other)
        torch.save(other, tmp_path / "other.pt")
        run = read_run(config, tmp_path / "other.pt")
        assert run.optimisers[0]["state"] == {}
        return run.optimiser

    def fewer(other: dict[str, Any]) -> None:
        other["optimizer"]["param_groups"] = [{"params": [0, 1]}]

    def shifted(other: dict[str, Any]) -> None:
        state = other["optimizer"]["state"]
        other["optimizer"]["state"] = {i: state[(i + 1) % len(state)] for i in state}

    def ordered(other: dict[str, Any]) -> None:
        other["model"] = dict(sorted(other["model"].items()))

    assert said(fewer).startswith("starts afresh: it has 2 parameters, the network")
    assert said(shifted) == "starts afresh: its shapes are not those of the network's parameters"
    assert said(ordered).startswith("starts afresh: the checkpoint's entries were sorted")
    assert said(lambda other: other["optimizer"]["state"].clear()).startswith("starts afresh: some parameters have no state")
    assert said(lambda other: None, ADAM) == "starts afresh: it holds no exp_avg and exp_avg_sq, as adam has"


class Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_a_number_of_steps_that_is_none(tmp_path: Path) -> None:
    content: dict[str, Any] = {"model": export_state(read_experiment(TINY).method.build(PEOPLE))}
    for step in ("abc", -1, 2.5, None, torch.tensor([1, 2])):
        torch.save(content | {"iteration": step}, tmp_path / "peer.pt")
        with pytest.raises(ValueError, match=r"peer.pt: its 'iteration' is [^\n]*; it takes a whole number, or scheduler_reset: true"):
            read_run(TINY, tmp_path / "peer.pt")
    assert read_run(changed(TINY, {"trainer_cfg.scheduler_reset": True}), tmp_path / "peer.pt").step == 0
    torch.save(content["model"], tmp_path / "peer.pt")
    assert read_run(TINY, tmp_path / "peer.pt").step == 0
    for optimiser in ("abc", {"param_groups": 3}, {"param_groups": [{"params": [0]}], "state": {0: "abc"}}):
        torch.save(content | {"optimizer": optimiser}, tmp_path / "peer.pt")
        assert read_run(TINY, tmp_path / "peer.pt").optimiser.startswith("starts afresh")


def test_a_checkpoint_of_another_network_without_a_number_of_classes(tmp_path: Path) -> None:
    path = peer_checkpoint(tmp_path / "peer.pt", read_experiment(TINY).method.build(PEOPLE))
    gaitgl = changed(TINY, {"model_cfg": {"model": "GaitGL", "channels": [4, 6, 8]}})
    with pytest.raises(ValueError, match=r"^the checkpoint does not fit this network: .*unknown here.*conv3d.0.conv3d.weight \(missing"):
        read_run(gaitgl, path)
    torch.save({name: torch.zeros(2) for name in load_checkpoint(path)}, path)
    with pytest.raises(ValueError, match=r"^the checkpoint does not fit this network: .*BNNecks.fc_bin \(shape \[2\]"):
        read_run(changed(TINY, {"model_cfg.SeparateBNNecks": {}}), path)


def test_checkpoints_with_code_or_of_another_network_are_refused(tmp_path: Path) -> None:
    method = read_experiment(TINY).method.build(PEOPLE)
    config = tmp_path / "peer.yaml"
    config.write_text(yaml.safe_dump(TINY))
    torch.save({"model": export_state(method), "optimizer": Payload(tmp_path / "ran")}, tmp_path / "evil.pt")
    state = export_state(method)
    state["Extra.weight"] = state.pop("FCs.fc_bin")
    torch.save({"model": state}, tmp_path / "other.pt")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol=2))
    for name, says in (
        ("evil.pt", "evil.pt is no checkpoint that can be read safely"),
        ("plain.pkl", "plain.pkl is no checkpoint that can be read safely"),
        ("none.pt", "none.pt cannot be read: No such file or directory"),
        ("empty.pt", "empty.pt is empty: copy it again"),
        ("peer.yaml", "peer.yaml is a text file, no checkpoint; the YAML comes first, then the .pt"),
        ("other.pt", "the checkpoint does not fit this network: Extra.weight (unknown here); FCs.fc_bin (missing)"),
    ):
        ran = pipeline("opengait.py", "import", str(config), str(tmp_path / name), "--out", str(tmp_path / "run"))
        assert ran.returncode == 2
        assert says in ran.stderr
        assert len(ran.stderr.strip().splitlines()) == 1
        assert "weights_only" not in ran.stderr
        assert "\x1b" not in ran.stderr
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "run").exists()
