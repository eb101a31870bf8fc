"""`--help` fits on a screen, and what it tells one to type is understood."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import ALL, cod2, supervised
from gaitlab import command
from gaitlab.help import MOST, families, fitted
from gaitlab.modules import import_kept
from gaitlab.runs.folder import keep_config, run_folder
from pipelines import sweep
from tests.conftest import ROOT
from tests.processes import pipeline

SHORT = [
    ("local.py",), ("local.py", "gaitbase-casia-b"), ("supervised.py",), ("cod2.py",),
    ("sweep.py",), ("sweep.py", "cod2-levels"), ("sweep.py", "recipe-demo"),
]  # fmt: skip
"""Whose help would be hundreds of lines of fields."""


@pytest.mark.parametrize("typed", SHORT, ids=" ".join)
@pytest.mark.parametrize("columns", ["80", "100", "200"])
def test_help_fits_on_a_screen(typed: tuple[str, ...], columns: str) -> None:
    done = pipeline(*typed, "--help", COLUMNS=columns)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith(f"usage: pipelines/{typed[0]} ")
    assert "--help-all" in done.stdout
    assert "--optim.lr FLOAT" not in done.stdout


@pytest.mark.parametrize(
    "typed",
    [(f"{name}.py",) for name in ("evaluate", "register", "report", "walkers", "ingest", "opengait", "difficulty", "slice")]
    + [("walkers.py", "look"), ("ingest.py", "opengait"), ("ingest.py", "frames"), ("ingest.py", "check"), ("opengait.py", "import")],
    ids=" ".join,
)
def test_help_of_a_small_pipeline_fits_as_it_is(typed: tuple[str, ...]) -> None:
    done = pipeline(*typed, "--help", COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    assert sum(1 + (len(line) - 1) // 100 for line in done.stdout.splitlines()) <= 40  # a terminal breaks longer ones


def test_help_names_what_there_is() -> None:
    for name, flag in (("local.py", "-h"), ("supervised.py", "--help-all")):
        said = pipeline(name, flag).stdout
        assert f"{len(ALL)} experiments (default demo)" in said
        assert "gaitset-         casia-b  oumvlp" in said
    said = pipeline("local.py", "gaitbase-casia-b", "-h").stdout.replace("\n", " ")
    assert "gaitbase-casia-b: Supervised, GaitBase; 60,000 steps of 8 x 16 walks of casia-b; tested by casia-b" in said
    said = pipeline("sweep.py", "cod2-levels", "-h").stdout.replace("\n", " ")
    assert "cod2-levels: CoD2: levels of control; 4 rows x 3 seeds of cod2-walkers-mini" in said


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        (("local.py",), "--method.backbone.channels"),
        (("cod2.py", "cod2-grew"), "--method.recogniser.backbone.channels"),
        (("sweep.py", "cod2-levels"), "--base.optim.lr"),
    ],
)
def test_help_all_has_the_fields(typed: tuple[str, ...], field: str) -> None:
    done = pipeline(*typed, "--help-all")
    assert (done.returncode, done.stderr) == (0, "")
    for word in (field, "--module NAME", "--help-all"):
        assert word in done.stdout
    assert "modules" not in [word.rsplit(".")[-1].strip("-") for word in done.stdout.split() if word.startswith("--")]


def examples(name: str) -> list[list[str]]:
    """Arguments of the pipeline on every line of its help that can be typed."""
    lines = [line for line in pipeline(name, "--help").stdout.splitlines() if line.startswith("  ") and f" pipelines/{name}" in line]
    words = [shlex.split(line, comments=True) for line in lines]
    return [typed[typed.index(f"pipelines/{name}") + 1 :] for typed in words]


def test_examples_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAITLAB_HOME", str(tmp_path))
    keep_config(supervised.DEMO, run_folder("0123"))
    for name in ("local.py", "supervised.py"):
        typed = examples(name)
        assert 3 <= len(typed) <= 5
        resumed = [command.parse(ALL, "demo", arguments, "").resume for arguments in typed]
        assert "0123" in resumed
    typed = examples("sweep.py")
    assert 3 <= len(typed) <= 5
    assert {"cod2-levels", "mine"} <= {sweep.parse(arguments)[0].name for arguments in typed}


def test_help_imports_neither_ray_nor_mlflow() -> None:
    """As typed: an interpreter of its own."""
    code = (
        "import runpy, sys\n"
        "sys.modules['ray'] = sys.modules['mlflow'] = None\n"  # an import of either now raises
        "sys.argv = [sys.argv[1], '--help']\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "pipelines/sweep.py"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cod2-levels" in done.stdout


def test_names_stand_in_families(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert families(["demo", "plain-hid", "a-x", "a-y", "long-one", "long-two-small"]) == [
        "  demo  plain-hid",
        "  a-     x  y",
        "  long-  one  two-small",
    ]
    many = families(f"f{i}-{j}" for i in range(99) for j in range(2))
    assert (len(many), many[-1]) == (MOST, f"  and {99 - MOST + 1} lines more: --help-all")
    assert len(families((f"f{i}-{j}" for i in range(99) for j in range(2)), whole=True)) == 99  # what --help-all shows
    assert fitted("Some words.\nMore.\n\npython pipelines/x.py  # y\n") == "Some words. More.\n\n  python pipelines/x.py  # y"


def test_options_come_out_of_the_line_first() -> None:
    options, rest = command.early(
        command.RunOptions, ["--module=a", "demo", "--optim.lr", "-1", "--resume=r", "--module", "b", "--no-tracking"]
    )
    assert (options.own, options.resume, options.tracking, options.help_all) == (("a", "b"), "r", False, False)
    assert rest == ["demo", "--optim.lr", "-1"]
    for flag in ("--module", "--resume"):
        with pytest.raises(ValueError, match=f"Missing value for argument '{flag}'"):
            command.early(command.RunOptions, ["demo", flag])


def test_modules_are_named_by_module_alone() -> None:
    with pytest.raises(ValueError, match=r"Unrecognized options: --modules.*--module NAME"):
        command.parse(ALL, "demo", ["--modules", "json"], "")
    asked = command.parse(ALL, "demo", ["--module", "json", "--module=csv", "cod2-grew", "--seed", "2"], "")
    assert (asked.experiment.name, asked.experiment.seed, asked.experiment.modules) == (cod2.ALL["cod2-grew"].name, 2, ("csv", "json"))
    assert sweep.parse(["--module=json", "cod2-levels"])[0].base.modules == ("json",)
    with pytest.raises(ValueError, match=r"Unrecognized options: --base\.modules"):
        sweep.parse(["cod2-levels", "--base.modules", "json"])


def test_a_kept_module_that_lacks_another_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lacking.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.chdir(tmp_path)
    import_kept(["gone_for_good", "lacking", "lacking"])
    assert capsys.readouterr().err == "passed over: module lacking needs nowhere_to_be_found, which is not installed\n"
