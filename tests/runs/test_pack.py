"""Runs that move to another machine: a plan goes on there where it was; what is half-written or damaged changes nothing."""

import hashlib
import io
import json
import os
import shutil
import signal
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gaitlab.data.store import Store
from gaitlab.home import home, read_plain, write_plain
from gaitlab.launch import local
from gaitlab.runs import checkpoint, claim, unpack
from gaitlab.runs.folder import keep_config, read_config, read_outcome, run_folder, write_outcome
from gaitlab.runs.pack import pack, size_of
from gaitlab.runs.summary import Summary
from tests.conftest import TINY
from tests.processes import Started, pipeline, script
from tests.training.test_resume import assert_same
from tests.training.tiny import experiment

KIB = 2**10


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAITLAB_HOME", str(tmp_path / "here"))


def made(run: str, *steps: int, best: int = 0, finished: bool = False) -> Path:
    """A run's folder with what a real one has, its networks of a few numbers."""
    folder = keep_config(experiment(TINY), run_folder(run))
    for step in steps:
        state = {"step": step, "best": {"step": min(best, step), "score": 1.0}, "method": {"weight": torch.full((64,), float(step))}}
        checkpoint.write(checkpoint.step_path(folder, step), state)
    curves = "".join(json.dumps({"key": "loss", "value": i / 7, "step": i, "time": i, "final": False}) + "\n" for i in range(max(steps)))
    (folder / "spool").mkdir()
    (folder / "spool" / "metrics.jsonl").write_text(curves)
    if finished:
        write_outcome(folder, Summary(metrics={"walkers/rank1": 50.0}))
    return folder


def all_files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix != ".lock"}


def elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on in another home."""
    monkeypatch.setenv("GAITLAB_HOME", str(folder))


def train() -> None:
    local(experiment(TINY), tracking=False)


def take_in_and_go_on(pack: str) -> None:
    """On a machine that has neither Ray nor MLflow."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("ray", "mlflow")]:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it now raises
    with pytest.raises(SystemExit, match="0"):
        script("sync.py", pack)
    (run,) = (path.name for path in (home() / "runs").iterdir())
    local(read_config(run_folder(run)), resume=run)


def test_a_packed_run_goes_on_in_an_empty_home_without_ray_and_mlflow(tiny_store: Store, tmp_path: Path) -> None:
    data = Path(os.environ["GAITLAB_TESTS_HOME"]) / "data"
    homes = {name: tmp_path / name for name in ("whole", "killed", "moved")}
    for folder in homes.values():
        folder.mkdir()
        (folder / "data").symlink_to(data)
    whole = Started(train, env={"GAITLAB_HOME": str(homes["whole"])})
    killed = Started(train, env={"GAITLAB_HOME": str(homes["killed"])})
    for line in killed.stdout:
        if line.startswith("tiny 8/"):
            killed.send_signal(signal.SIGKILL)
            break
    killed.wait(30)
    killed.stdout.close()
    said = whole.communicate(120)
    assert whole.returncode == 0, said
    assert "bring it into MLflow with: python pipelines/sync.py offline-" in said
    (run,) = [path.name for path in (homes["killed"] / "runs").iterdir()]
    begun = max(checkpoint.found(homes["killed"] / "runs" / run))
    assert begun < 12

    out = tmp_path / "pack"
    packed = pipeline("pack.py", run, "-o", str(out), "--part-size", "64K", GAITLAB_HOME=str(homes["killed"]))
    assert packed.returncode == 0, packed.stderr
    sizes = [path.stat().st_size for path in out.glob("part-*")]
    assert len(sizes) > 1
    assert max(sizes) <= 64 * KIB
    shutil.rmtree(homes["killed"])
    moved = Started(take_in_and_go_on, str(out), env={"GAITLAB_HOME": str(homes["moved"])})
    again = moved.communicate(120)
    assert moved.returncode == 0, again
    assert "MLflow is not installed here" in again
    assert "tiny 4/" not in again
    (same,) = [path.name for path in (homes["whole"] / "runs").iterdir()]
    there, here = homes["whole"] / "runs" / same, homes["moved"] / "runs" / run
    assert_same(checkpoint.newest(there), checkpoint.newest(here))  # type: ignore[arg-type]
    figures, figures_here = read_outcome(there), read_outcome(here)
    assert figures is not None
    assert figures_here is not None
    assert figures.subjects == figures_here.subjects
    points = [json.loads(line) for line in (here / "spool" / "metrics.jsonl").read_text().splitlines() if line]
    assert [point["step"] for point in points if point["key"] == "loss"] == [4, 8, 12]


def test_what_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("goes-on", 4, 8, 12, best=8)
    made("finished", 4, 8, 12, best=8, finished=True)
    rays = made("rays", 4)
    shutil.move(checkpoint.step_path(rays, 4), (rays / "step-00000004").mkdir() or rays / "step-00000004")
    for name in ("trial.lock", ".step-00000012.pt.7.partial", "checkpoint_manager_snapshot.json", "spool/unfinished-0"):
        (rays / name).write_text("")
    (rays / "log.txt").write_text("line\n")
    other = tmp_path / "study.json"
    other.write_text("{}")
    packed = pack(["goes-on", "finished", "rays", "rays"], tmp_path / "pack", part_size=4 * KIB, also={"plans/study.json": other})
    parts = sorted((tmp_path / "pack").glob("part-*"))
    assert packed.parts == len(parts)
    assert {path.stat().st_size for path in parts[:-1]} == {4 * KIB}

    elsewhere(tmp_path / "there", monkeypatch)
    taken = unpack.unpack(tmp_path / "pack")
    assert taken.runs == ("goes-on", "finished", "rays")
    assert taken.also["plans/study.json"].read_text() == "{}"
    assert {run: sorted(checkpoint.found(run_folder(run))) for run in taken.runs} == {"goes-on": [8, 12], "finished": [8], "rays": [4]}
    assert set(all_files(run_folder("rays"))) == {"experiment.json", "step-00000004.pt", "spool/metrics.jsonl", "log.txt"}
    assert unpack.unpack(tmp_path / "pack").said == tuple(f"{run}: here already" for run in taken.runs)
    assert not list(home().glob("unpacking-*/"))


def cut(folder: Path) -> None:
    with (folder / "part-0002").open("r+b") as file:
        file.truncate(100)


def flip(folder: Path) -> None:
    content = bytearray((folder / "part-0002").read_bytes())
    content[50] ^= 1
    (folder / "part-0002").write_bytes(content)


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "half": (lambda folder: (folder / "pack.json").unlink(), "half a pack: pack.json is missing"),
    "lost": (lambda folder: (folder / "part-0003").unlink(), "part-0003 is missing"),
    "cut": (cut, "part-0002 has 100 bytes instead of 2048"),
    "flipped": (flip, "part-0002 is damaged"),
    "no-json": (lambda folder: (folder / "pack.json").write_text("{"), r"pack\.json is damaged"),
    "newer": (lambda folder: changed(folder, format=2), "is of format 2"),
    "names": (lambda folder: changed(folder, runs=["../x"]), "names runs or parts that cannot be"),
    "lacks": (lambda folder: changed(folder, runs=["a", "b", "c"]), "lacks the run c"),
    "more": (lambda folder: changed(folder, runs=["a"]), "no file of its runs"),
}


def changed(folder: Path, **what: object) -> None:
    write_plain(folder / "pack.json", read_plain(folder / "pack.json") | what)


@pytest.mark.parametrize("harm", HARM)
def test_a_harmed_pack_changes_nothing(harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("a", 4)
    made("b", 4)
    pack(["a", "b"], tmp_path / "pack", part_size=2 * KIB)
    elsewhere(tmp_path / "there", monkeypatch)
    made("b", 2)
    before = all_files(home())
    do, expected = HARM[harm]
    do(tmp_path / "pack")
    with pytest.raises(ValueError, match=expected) as error:
        unpack.unpack(tmp_path / "pack")
    assert "\n" not in str(error.value)
    assert all_files(home()) == before
    if harm == "half":
        said = pipeline("sync.py", str(tmp_path / "pack"))
        assert (said.returncode, said.stdout) == (2, "")
        assert said.stderr == f"error: {error.value}\n"


@pytest.mark.parametrize("entry", ["../outside", "/outside", "runs/a/../../outside", "runs/other/file", "link", "runs/a"])
def test_a_strangers_pack_writes_nowhere_else(entry: str, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    out.mkdir()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        info = tarfile.TarInfo("runs/a/link" if entry == "link" else entry)
        if entry == "link":
            info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(info, io.BytesIO())
    (out / "part-0001").write_bytes(whole.getvalue())
    part = {"name": "part-0001", "size": len(whole.getvalue()), "sha256": hashlib.sha256(whole.getvalue()).hexdigest()}
    (out / "pack.json").write_text(json.dumps({"format": 1, "runs": ["a"], "also": [], "parts": [part]}))
    with pytest.raises(ValueError, match=r"no file of its runs|lacks the run"):
        unpack.unpack(out)
    assert not all_files(home())
    assert not (tmp_path / "outside").exists()


def unpack_killed_at(folder: Path, run: int, file: int) -> None:
    """Killed before it moves that run into place, or that file of a run that is there."""
    into_place, replace, runs, files = unpack._into_place, os.replace, [], []

    def kill_at_run(fresh: Path, name: str) -> str:
        runs.append(name)
        if len(runs) == run:
            os.kill(os.getpid(), signal.SIGKILL)
        return into_place(fresh, name)

    def kill_at_file(source: Path, target: Path) -> None:
        files.append(target)
        if len(files) == file:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    unpack._into_place, os.replace = kill_at_run, kill_at_file  # type: ignore[assignment]
    unpack.unpack(folder)


@pytest.mark.parametrize(("run", "file"), [(1, 99), (3, 99), (99, 1), (99, 3), (99, 4)])
def test_killed_while_it_unpacks_it_completes(run: int, file: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcd":
        made(name, 4, 8, 12, best=8, finished=name == "b")
    packed = {name: all_files(run_folder(name)) for name in "abcd"}
    pack(list("abcd"), tmp_path / "pack")
    elsewhere(tmp_path / "there", monkeypatch)
    made("b", 4)
    made("c", 4)
    killed = Started(unpack_killed_at, tmp_path / "pack", run, file)
    assert killed.wait(60) == -signal.SIGKILL
    unpack.unpack(tmp_path / "pack")
    assert not list(home().glob("unpacking-*/"))
    for name in "abcd":
        there = all_files(run_folder(name))
        assert there.items() <= packed[name].items() | {("step-00000004.pt", there.get("step-00000004.pt"))}
        assert "step-00000008.pt" in there
        assert ("step-00000012.pt" in there) == (name != "b")


def test_of_two_states_the_further_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in ("behind", "ahead", "trains", "config", "figures"):
        made(run, 8, finished=run == "figures")
    pack(["behind", "ahead", "trains", "config", "figures"], tmp_path / "pack")
    elsewhere(tmp_path / "there", monkeypatch)
    lines = '{"key": "loss", "value": 0.5, "step": %d, "time": 99, "final": false}\n'
    (made("behind", 4) / "spool" / "metrics.jsonl").write_text(lines % 0 + lines % 2 + '{"key": "lo')
    made("ahead", 12)
    made("trains", 4)
    config = made("config", 4) / "experiment.json"
    config.write_text(config.read_text().replace("0.05", "0.5"))
    write_outcome(made("figures", 8), Summary(metrics={"walkers/rank1": 51.0}))
    before = {run: all_files(run_folder(run)) for run in ("ahead", "trains", "config", "figures")}
    training = claim.join(run_folder("trains"), "")
    said = dict(line.split(": ", 1) for line in unpack.unpack(tmp_path / "pack").said)
    assert training is not None
    training.close()
    assert said == {
        "behind": "further than the one that was here",
        "ahead": "the one that is here is further and is left as it is",
        "trains": "a process trains in the one that is here, which is left as it is",
        "config": "the one that is here has another config and is left as it is",
        "figures": "the one that is here has other figures and is left as it is",
    }
    assert {run: all_files(run_folder(run)) for run in before} == before
    points = [json.loads(line) for line in (run_folder("behind") / "spool" / "metrics.jsonl").read_text().splitlines()]
    assert [(point["step"], point["time"]) for point in points] == [(0, 99), (2, 99), *((i, i) for i in (1, 3, 4, 5, 6, 7))]
    assert sorted(checkpoint.found(run_folder("behind"))) == [4, 8]


def test_nothing_is_left_of_a_pack_that_cannot_be(tmp_path: Path) -> None:
    folder, out = made("a", 4, 8), tmp_path / "pack"
    for runs, expected in [((), "name the runs"), (("no-such",), "no run 'no-such'"), (("../here",), "no run")]:
        with pytest.raises(ValueError, match=expected):
            pack(runs, out)
    with pytest.raises(ValueError, match="too small"):
        pack(["a"], out, part_size=100)
    content = bytearray(checkpoint.step_path(folder, 8).read_bytes())
    place = content.index(torch.full((64,), 8.0).numpy().tobytes())
    content[place] ^= 1  # which torch reads without a word
    checkpoint.step_path(folder, 8).write_bytes(content)
    with pytest.raises(ValueError, match=r"step-00000008\.pt is not a readable checkpoint: .*; delete it") as error:
        pack(["a"], out, part_size=2 * KIB)
    assert "\n" not in str(error.value)
    checkpoint.step_path(folder, 8).write_bytes(content[:500])
    said = pipeline("pack.py", "a", "-o", str(out), "--part-size", "2K")
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert "is not a readable checkpoint" in said.stderr
    assert not out.exists()
    checkpoint.step_path(folder, 8).unlink()
    out.mkdir()
    (out / "part-0099").write_text("of a pack that was killed")
    pack(["a"], out)
    assert not (out / "part-0099").exists()
    for there, expected in [(out, "holds a pack"), (tmp_path, "is not empty"), (folder / "experiment.json", "is no folder")]:
        with pytest.raises(ValueError, match=expected):
            pack(["a"], there)


def test_sizes() -> None:
    assert [size_of(text) for text in ("16M", "1G", "64k", "5000")] == [16 * 2**20, 2**30, 64 * KIB, 5000]
    with pytest.raises(ValueError, match="16M, not '16 MB'"):
        size_of("16 MB")
