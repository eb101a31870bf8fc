"""The house rules that a machine can read: who imports whom, and that the README's file map is true."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "gaitlab").rglob("*.py"))

FLOORS = (
    {"within"},
    {"config", "home", "rng"},
    {"types", "modules"},
    {"nn", "method"},
    {"losses", "backbones", "diffusion", "data"},
    {"methods", "walkers", "evaluation"},
    {"experiment"},
    {"runs"},
    {"training"},
    {"tracking", "interop"},
    {"ensure"},
    {"sweeps"},
    {"reports"},
    {"cluster"},
    {"guard", "help"},
    {"command"},
    {"launch"},
    {"notebook"},
)
"""First-level modules of gaitlab, from the ground up; each imports from lower floors only. Nothing imports experiments or pipelines."""
BLIND = {
    "training": {"methods", "backbones", "losses", "diffusion", "walkers"},
    "runs": {"methods", "backbones", "losses", "diffusion", "walkers"},
    "tracking": {"methods", "backbones", "losses", "diffusion", "walkers"},
    "sweeps": {"methods", "backbones", "losses", "diffusion", "walkers", "interop"},
    "reports": {"methods", "backbones", "losses", "diffusion", "walkers", "interop"},
    "cluster": {"methods", "backbones", "losses", "diffusion", "walkers", "interop"},
    "experiment": {"methods", "backbones", "losses", "diffusion", "walkers", "nn"},
    "evaluation": {"nn", "losses", "backbones", "diffusion", "method"},
    "data": {"nn", "method"},
    "methods": {"data"},
    "backbones": {"method"},
    "losses": {"method"},
    "diffusion": {"method"},
}
"""What lies below, and is none of a module's business all the same: no machinery knows a method, no method knows where data lie."""


def may_import(here: str) -> set[str]:
    floor = next(i for i, rooms in enumerate(FLOORS) if here in rooms)
    return set().union(*FLOORS[:floor]) - BLIND.get(here, set())


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    parts = path.relative_to(ROOT / "gaitlab").with_suffix("").parts
    if parts == ("__init__",):
        return
    here = parts[0]
    for name in imports(path):
        top, *rest = name.split(".")
        assert top not in ("experiments", "pipelines", "tests"), f"{path} imports {name}"
        if top == "gaitlab" and rest and rest[0] != here:
            assert rest[0] in may_import(here), f"{here} must not import {name}"
        if top == "ray":
            assert here == "cluster", f"only gaitlab.cluster imports ray, not {path}"
        if top == "mlflow":
            assert here == "tracking", f"only gaitlab.tracking imports mlflow, not {path}"


def test_methods_and_the_local_loop_need_neither_ray_nor_mlflow() -> None:
    code = (
        "import sys\n"
        "sys.modules['ray'] = sys.modules['mlflow'] = None\n"  # an import of either now raises
        "import gaitlab.methods.cod2, gaitlab.training.fit, gaitlab.launch, gaitlab.interop.opengait, experiments\n"
        "import gaitlab.runs.pack, gaitlab.runs.unpack, gaitlab.tracking.sync\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_no_file_has_a_second_idea() -> None:
    """Above about 400 lines one looks for it."""
    long = {str(p.relative_to(ROOT)): n for p in MODULES if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_readme_file_map_is_true() -> None:
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## File map\n.*?```\n(.*?)```", readme, re.S)
    assert block, "README.md has no '## File map' with a code block"
    listed = re.findall(r"^(\S+?\.(?:py|yaml|toml|txt|md|cff)|Makefile|\S+/)\s", block[1], re.M)
    missing = [name for name in listed if not (ROOT / name).exists()]
    assert not missing
    top = (ROOT / "gaitlab").iterdir()
    rooms = {f"gaitlab/{p.name}/" for p in top if (p / "__init__.py").exists()}
    rooms |= {f"gaitlab/{p.name}" for p in (ROOT / "gaitlab").glob("*.py") if p.name != "__init__.py"}
    assert rooms == {name for name in listed if name.startswith("gaitlab/") and name != "gaitlab/"}


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "pipelines").glob("*.py"))], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_says_what_it_is(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text()))
    assert said
    assert len(said.splitlines()[0]) > 10
