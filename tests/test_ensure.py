"""Experiments that stand on experiments: trained once, gone on with wherever they were killed, taken where they are there."""

import os
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gaitlab.config import override, to_dict
from gaitlab.data.store import Store
from gaitlab.ensure import AnyTracker, Here, ensure
from gaitlab.experiment import Experiment, Transfer, parts
from gaitlab.launch import local
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.nn.frozen import part_of
from gaitlab.runs import checkpoint, claim
from gaitlab.runs.book import identity, identity_of, look_up
from gaitlab.runs.code import _read, code_hash
from gaitlab.runs.folder import newest_run, read_config, read_outcome, run_folder, run_to_resume
from gaitlab.runs.summary import Summary
from gaitlab.training.interrupt import Interrupted
from gaitlab.training.ready import Ready
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained
from gaitlab.training.transfer import check_people
from tests.conftest import TINY
from tests.processes import Started
from tests.training.tiny import experiment
from tests.training.toys import chain, train


def runs(home: Path) -> dict[str, Path]:
    """Name of an experiment -> folder of its run. Fails where there are two."""
    found: dict[str, Path] = {}
    for folder in (home / "runs").iterdir():
        name = (folder / "experiment.json").read_text().split('"name": "')[1].split('"')[0]
        assert name not in found, f"two runs of {name}"
        found[name] = folder
    return found


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(checkpoint.chosen(folder)[1]["method"])


@pytest.fixture(scope="module")
def whole(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the chain, trained without a disturbance."""
    home = tmp_path_factory.mktemp("whole")
    done = Started(train, to_dict(chain(tiny_store.root)), env={"GAITLAB_HOME": str(home)})
    said = done.communicate(200)
    assert done.returncode == 0, said
    assert said.index("student stands on tuned") < said.index("tuned stands on pretrained") < said.index("pretrained 6/6")
    return home


def equal(home: Path, whole: Path) -> None:
    ours, theirs = runs(home), runs(whole)
    assert ours.keys() == theirs.keys() == {"pretrained", "tuned", "student"}
    for name, folder in theirs.items():
        a, b = weights(ours[name]), weights(folder)
        assert all(torch.equal(a[k], b[k]) for k in a.keys() | b.keys()), name
        assert read_outcome(ours[name]).metrics == read_outcome(folder).metrics  # type: ignore[union-attr]


def test_killed_at_five_moments_and_repeated_it_is_the_undisturbed_chain(whole: Path, tiny_store: Store, tmp_path: Path) -> None:
    draw, experiment, env = random.Random(3), to_dict(chain(tiny_store.root)), {"GAITLAB_HOME": str(tmp_path)}
    for _ in range(5):
        process = Started(train, experiment, env=env)
        last = draw.randrange(1, 9)
        for _, _ in zip(process.stdout, range(last), strict=False):
            pass
        process.kill()
        process.stdout.close()
    process = Started(train, experiment, env=env)
    said = process.communicate(200)
    assert process.returncode == 0, said
    equal(tmp_path, whole)
    again = Started(train, experiment, env=env)
    said = again.communicate(200)
    assert "student: run " in said
    assert "steps of" not in said, "what is finished was trained again"


def test_two_who_ask_at_once_train_once(whole: Path, tiny_store: Store, tmp_path: Path) -> None:
    both = [Started(train, to_dict(chain(tiny_store.root)), env={"GAITLAB_HOME": str(tmp_path)}) for _ in range(2)]
    said = [process.communicate(200) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("student 6/6" in text for text in said) == 1, "both trained it"
    assert any("another process trains it" in text for text in said)
    equal(tmp_path, whole)


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143), (Interrupted(3), 130)])
def test_whatever_stops_a_run_it_is_told_how_to_go_on(
    tiny_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, code: int
) -> None:
    """Also in the midst of its tests, where no step is to be finished."""

    class Stopped(Here):
        def train(self, ready: Ready, tracker: AnyTracker, *, resume: bool) -> Summary:
            raise stop

    monkeypatch.setenv("GAITLAB_HOME", str(tmp_path))
    with pytest.raises(Interrupted, match=r"^stopped( after step 3)?; .*resume\W+offline-\w+") as caught:
        ensure(replace(chain(tiny_store.root), init=(), method=experiment(TINY).method), Stopped(), tracking=False)
    assert caught.value.code == code


@pytest.fixture
def at_home(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAITLAB_HOME", str(whole))
    return whole


def test_what_is_shared_is_trained_once(at_home: Path, tiny_store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Another student of the same teacher; its names are others."""
    student = chain(tiny_store.root)
    other = override(student, {"name": "other", "init.0.of.name": "the same teacher", "seed": 5, "train.steps": 2})
    local(other, tracking=False)
    said = capsys.readouterr().out
    assert "the same teacher: run " in said
    assert "pretrained" not in said
    (folder,) = (f for f in (at_home / "runs").iterdir() if '"name": "other"' in (f / "experiment.json").read_text())
    shutil.rmtree(folder)


def test_a_frozen_network_is_nowhere_but_in_its_own_run(at_home: Path, tiny_store: Store) -> None:
    student, folders = chain(tiny_store.root), runs(at_home)
    state = checkpoint.chosen(folders["student"])[1]
    assert not [name for name in state["method"] if "teacher" in name]
    assert not [name for name in state["averaged"] if "teacher" in name]
    (source,) = state["sources"]
    assert source["run"] == folders["tuned"].name
    assert source["sha256"] == checkpoint.sha256(checkpoint.found(folders["tuned"])[source["step"]])
    network = trained(folders["student"], LocalRun(lambda: at_home))[1]
    teacher = network.get_submodule("teacher")
    before = {k: v.clone() for k, v in teacher.network.state_dict().items()}
    theirs = trained(folders["tuned"], LocalRun(lambda: at_home))[1].state_dict()
    assert all(torch.equal(before[k], theirs[k]) for k in theirs)
    assert part_of(network, "teacher.backbone.stem") is teacher.network.backbone.stem
    network.train()
    assert not any(m.training for m in teacher.network.modules())
    assert not any(p.requires_grad for p in teacher.network.parameters())
    assert network.double().get_submodule("teacher").network.state_dict()["head.weight"].dtype == torch.float64
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in student.method.build(len(state["subjects"])).parameters())


def test_a_student_is_opened_without_its_teacher_and_does_not_go_on_without(
    at_home: Path, tiny_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "moved"
    shutil.copytree(at_home, home, ignore=shutil.ignore_patterns("*.lock"))
    folders = runs(home)
    for file in checkpoint.found(folders["tuned"]).values():
        file.write_bytes(file.read_bytes()[:-1] + b"\0\0")
    for step, file in checkpoint.found(folders["student"]).items():
        if step == 6:
            file.unlink()
    (folders["student"] / "outcome.json").unlink()
    monkeypatch.setenv("GAITLAB_HOME", str(home))
    network = trained(folders["student"], LocalRun(lambda: home))[1]
    with pytest.raises(ValueError, match=r"init\.0: .*step-00000006\.pt is not what it was when it was taken"):
        network.get_submodule("teacher")(None)
    with pytest.raises(ValueError, match="is not what it was when it was taken"):
        local(chain(tiny_store.root), tracking=False)


def test_what_a_run_is_a_function_of(at_home: Path, tiny_store: Store) -> None:
    student = chain(tiny_store.root)
    key = identity(student).key
    assert look_up(key).outcome is not None
    free = {"name": "x", "train.keep": 7, "train.log_every": 3, "scale.workers": 2, "init.0.of.name": "y", "init.0.of.train.keep": 9}
    for path, value in free.items():
        assert identity(override(student, {path: value})).key == key, path
    for path, value in {"seed": 2, "optim.lr": 0.3, "init.0.of.seed": 4, "init.0.of.init.0.of.optim.lr": 0.2}.items():
        assert identity(override(student, {path: value})).key != key, path


def test_code_is_what_decides_and_not_what_is_said_about_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A docstring, a comment and an empty line change nothing; a number in a function does, also in a module that is imported by it."""
    package = tmp_path / "somebodys"
    package.mkdir()
    method = '''"""Mine."""
from dataclasses import dataclass
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.nn.frozen import part_of
from somebodys.inner import factor

@dataclass(frozen=True, kw_only=True)
class SomebodysConfig(SupervisedConfig):
    """About it."""
    weight: float = 1.0
    """What it is."""

    def twice(self) -> float:
        return f"{factor() * self.weight}"
'''
    inner = "def factor():\n    # two\n    return 2\n"
    (package / "__init__.py").write_text("")
    (package / "method.py").write_text(method)
    (package / "inner.py").write_text(inner)
    monkeypatch.syspath_prepend(str(tmp_path))
    from somebodys.method import SomebodysConfig  # type: ignore[import-not-found]

    student = chain("nowhere")
    of = replace(student, init=(), method=SomebodysConfig())
    first, other = code_hash(of), code_hash(replace(student, init=()))
    assert first != other
    said_otherwise = method.replace("About it.", "Said otherwise,\n    at length.").replace("    weight:", "\n    # !\n    weight:")
    (package / "method.py").write_text(said_otherwise)
    assert code_hash(of) == first, "what has been read is what runs"
    (package / "inner.py").write_text(inner.replace("# two", "# deux"))
    _read.cache_clear()
    assert code_hash(of) == first
    (package / "inner.py").write_text(inner.replace("return 2", "return 3"))
    _read.cache_clear()
    assert code_hash(of) != first


def first_of(experiment: Experiment) -> Experiment:
    of = experiment.init[0].of
    assert isinstance(of, Experiment)
    return of


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"init.0.parts": {"backbon": "teacher"}}, "has no part 'backbon'; it has backbone, head, neck"),
        ({"init.0.parts": {"": "teachr"}}, "the network to train has no part 'teachr'; it has student, teacher"),
        ({"init.0.parts": {"": ""}}, "the whole network cannot be frozen"),
        ({"init.0.lr_ratio": 0.5}, "student, init.0: teacher takes a frozen network: lr_ratio 0, not 0.5"),
        ({"init.0.of.method.backbone.channels": (4, 8, 8, 12)}, r"tuned, init\.0: pretrained does not fit: backbone\.stages\.3"),
        ({"init.0.parts": {"head": "student.backbone"}}, r"student\.backbone\.weight \(only there\)"),
        ({"init.0.of": "never"}, "student, init.0: no run 'never'"),
        ({"init.0.of.init.0.of": "never"}, "tuned, init.0: no run 'never'"),
        ({"init.0.of": __file__}, r"is a file; a run is made of it by python pipelines/opengait\.py import CONFIG\.yaml"),
    ],
)
def test_misfits_are_one_line_before_anything_is_made(changes: dict, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[type-arg]
    monkeypatch.setenv("GAITLAB_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=says):
        local(override(chain("no-data-here"), changes), tracking=False)
    assert not list(tmp_path.iterdir()), "something was made"


def test_a_classifier_of_other_people_is_refused(at_home: Path, tiny_store: Store, tmp_path: Path) -> None:
    """Of a run, since of two experiments on the same data the people are the same."""
    tuned = first_of(chain(tiny_store.root))
    folder = shutil.copytree(runs(at_home)["tuned"], tmp_path / "other")
    file, state = checkpoint.chosen(folder)
    checkpoint.write(file, state | {"subjects": [f"x{name}" for name in state["subjects"]]})
    assert isinstance(tuned.method, SupervisedConfig)
    whole = replace(tuned, init=(Transfer(of=str(folder), parts=parts("neck")),))
    with pytest.raises(ValueError, match=r"init\.0: neck\.\S+ tells the \d people apart that it was trained with"):
        local(whole, tracking=False)


def test_a_classifier_of_other_conditions_is_refused(tiny_store: Store) -> None:
    """As many, of other names; what does not tell conditions apart is taken."""
    tuned = first_of(chain(tiny_store.root))
    assert isinstance(tuned.method, SupervisedConfig)
    first = replace(tuned, init=(), method=replace(tuned.method, classes=("bag", "clothing")), benchmarks=())
    other = replace(first, name="other", method=replace(first.method, classes=("bag", "umbrella")))
    whole = replace(other, init=(Transfer(of=first, parts=parts("neck", "backbone")),))
    with pytest.raises(
        ValueError, match=r"init\.0: neck\.\S+ tells bag, clothing apart, here it is to be bag, umbrella; leave that part out"
    ):
        check_people(whole)
    check_people(replace(whole, init=(Transfer(of=first, parts=parts("backbone", "head")),)))
    check_people(replace(first, init=(Transfer(of=first, parts=parts("neck")),)))


def test_a_run_cannot_stand_on_itself(at_home: Path, tiny_store: Store) -> None:
    run = runs(at_home)["tuned"].name
    with pytest.raises(ValueError, match=f"run {run} would stand on itself"):
        local(replace(chain(tiny_store.root), init=(Transfer(of=run, parts={"": "teacher"}, lr_ratio=0),)), resume=run, tracking=False)


def test_a_run_of_other_code_is_not_taken_silently(
    at_home: Path, tiny_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Begun and not finished, then a change of the code: a new run, with a word about the old one."""
    home = tmp_path / "home"
    shutil.copytree(at_home, home, ignore=shutil.ignore_patterns("*.lock"))
    monkeypatch.setenv("GAITLAB_HOME", str(home))
    pretrained = first_of(first_of(chain(tiny_store.root)))
    old = runs(home)["pretrained"]
    (old / "outcome.json").unlink()
    monkeypatch.setattr("gaitlab.runs.book.code_hash", lambda experiment: "another")
    new = local(pretrained, tracking=False)
    assert new.run != old.name
    assert f"a new run, since the code is another than in run {old.name}; --resume {old.name}" in capsys.readouterr().out


class Saves(LocalRun):
    """Is stopped behind its first checkpoint."""

    def save(self, state: dict[str, Any], step: int, metrics: dict[str, float], best: int | None) -> None:
        super().save(state, step, metrics, best)
        raise Interrupted(step)


class Cut(Here):
    """Sees what lies there when training is about to begin, and goes no further than to its first checkpoint, if so far."""

    def __init__(self, *, saves: bool = False) -> None:
        super().__init__(Saves)
        self.saves, self.seen = saves, ""

    def train(self, ready: Ready, tracker: AnyTracker, *, resume: bool) -> Summary:
        self.seen = newest_run(ready.experiment.name) or ""
        if not self.saves:
            raise Interrupted(0)
        return super().train(ready, tracker, resume=resume)


def test_a_run_is_there_before_its_first_step(tiny_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So one that is killed then is the newest that `--resume last` finds, and the same command's."""
    monkeypatch.setenv("GAITLAB_HOME", str(tmp_path))
    first = first_of(first_of(chain(tiny_store.root)))
    for seed in (1, 2):
        cut = Cut()
        with pytest.raises(Interrupted, match="resume"):
            ensure(override(first, {"seed": seed}), cut, tracking=False)
        assert read_config(run_folder(cut.seen)).seed == seed
        assert look_up(identity(override(first, {"seed": seed})).key).run == cut.seen
        assert run_to_resume("last", first.name) == cut.seen
        again = Cut()
        with pytest.raises(Interrupted):
            ensure(override(first, {"seed": seed}), again, tracking=False)
        assert again.seen == cut.seen


def test_what_cannot_be_is_told_before_data_are_made(tiny_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAITLAB_HOME", str(tmp_path))
    first, cut = first_of(first_of(chain(tiny_store.root))), Cut()
    with pytest.raises(Interrupted):
        ensure(first, cut, tracking=False)
    elsewhere = override(first, {"data.root": "to-be-made", "data.make": TINY})
    with pytest.raises(ValueError, match=rf"run {cut.seen} was written by another config .*\n  train\.steps: 6 -> 7\n"):
        local(override(elsewhere, {"train.steps": 7}), resume=cut.seen, tracking=False)
    with pytest.raises(ValueError, match=r"has no checkpoint from which it could go on with optim\.lr"):
        local(override(elsewhere, {"optim.lr": 0.5}), resume=cut.seen, tracking=False)
    shutil.rmtree(tmp_path / "runs")
    (tmp_path / "runs").touch()
    with pytest.raises(ValueError, match=rf"nothing can be written into {tmp_path}/runs: File exists"):
        local(elsewhere, tracking=False)
    assert not (tmp_path / "data").exists()


def test_another_rate_makes_it_a_run_of_neither_config(tiny_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAITLAB_HOME", str(tmp_path))
    first, cut = first_of(first_of(chain(tiny_store.root))), Cut(saves=True)
    with pytest.raises(Interrupted):
        ensure(first, cut, tracking=False)
    slower = override(first, {"optim.lr": first.optim.lr / 10})
    outcome = local(slower, resume=cut.seen, tracking=False)
    (step,) = {int(line.split()[2]) for line in outcome.changes}
    assert outcome.changes == (f"from step {step} on: optim.lr: {first.optim.lr} -> {slower.optim.lr}",)
    for of_config in (first, slower):
        assert look_up(identity(of_config).key).run == ""
    of = identity_of(cut.seen)
    assert of is not None
    assert of.config.startswith(f"{identity(first).config}, then ")
    assert read_config(run_folder(cut.seen)) == slower
    with pytest.raises(ValueError, match=rf"run {cut.seen} is finished, so nothing is left of it for optim\.lr"):
        local(first, resume=cut.seen, tracking=False)


def test_a_run_has_one_writer_and_a_second_is_told_who(tiny_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAITLAB_HOME", str(tmp_path))
    first, cut = first_of(first_of(chain(tiny_store.root))), Cut()
    with pytest.raises(Interrupted):
        ensure(first, cut, tracking=False)
    with (
        claim.trains(run_folder(cut.seen)),
        pytest.raises(ValueError, match=rf"run {cut.seen} is being trained by process {os.getpid()} on "),
    ):
        ensure(first, cut, resume=cut.seen, tracking=False)
    process = Started(hold, str(run_folder(cut.seen)))
    assert process.stdout.readline() == "holds\n"
    with pytest.raises(ValueError, match=rf"is being trained by process {process.pid} on .* since \d{{4}}-.*; wait for it, or stop it"):
        ensure(first, cut, resume=cut.seen, tracking=False)
    process.kill()
    process.stdout.close()
    with pytest.raises(Interrupted):
        ensure(first, cut, resume=cut.seen, tracking=False)


def hold(folder: str) -> None:
    with claim.trains(Path(folder)):
        print("holds", flush=True)
        time.sleep(60)
