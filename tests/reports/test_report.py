"""A sweep's report: the same numbers in every form, whole files, and a page that a browser shows; real runs in a real store."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gaitlab.config import fingerprint
from gaitlab.reports import figures
from gaitlab.reports.ablation import ablation_result
from gaitlab.reports.ablation_tables import ablation_tables
from gaitlab.reports.report import as_last_run, sweep_report
from gaitlab.reports.report_files import log_report, markdown_notes, write_report
from gaitlab.reports.results import read_results
from gaitlab.reports.search import search_result
from gaitlab.sweeps.study import Study
from gaitlab.sweeps.sweep import of_row
from gaitlab.tracking import provenance
from gaitlab.tracking.mlflow_store import default_uri, open_store
from gaitlab.tracking.runs import MlflowTracker
from tests.processes import pipeline
from tests.reports.browser import text_of
from tests.sweeps.studies import ABLATION, EXPERIMENT, SETS, outcome, run_all, searched, sqlite


def tracked(parent: str | None = None) -> dict[str, str]:
    """`row/seed` -> id of its run in the tests' store, with its figures."""
    runs = {}
    for row in ABLATION.rows:
        for seed in ABLATION.seeds[:1]:
            with MlflowTracker.start(of_row(ABLATION, row, seed), data_hash="0", parent=parent, system_metrics=False) as tracker:
                tracker.final(outcome(row, seed).metrics)
                runs[f"{row}/{seed}"] = tracker.run_id
    return runs


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Three rows, three seeds less a failed one; the first seed's runs are in MLflow, under a parent, the others were never tracked."""
    with MlflowTracker.start(replace(EXPERIMENT, name="parts"), data_hash="0", system_metrics=False) as parent:
        runs = tracked(parent.run_id)
    made = run_all(ABLATION, sqlite(tmp_path_factory.mktemp("parts")), failing=[("half", 2)], runs=runs)
    made.parent = parent.run_id
    return made


def numbers(text: str) -> set[str]:
    return set(re.findall(r"[+−]?\d+\.\d\d\b", text))


def test_every_form_has_the_same_numbers(study: Study, tmp_path: Path) -> None:
    paths = dict(zip(("md", "json", "tex", "html"), write_report(sweep_report(ABLATION, study), tmp_path / "results"), strict=True))
    assert [path.name for path in paths.values()] == ["parts.md", "parts.json", "parts.tex", "parts.html"]
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["parts.html", "parts.json", "parts.md", "parts.tex"]
    report = sweep_report(ABLATION, study)
    cells = {table.name: numbers(" ".join(cell for line in table.lines for cell in line)) for table in report.tables}
    text = {form: path.read_text().replace("$-$", "−") for form, path in paths.items()}
    for name, those in cells.items():
        assert those <= numbers(text["html"])
        assert those <= numbers(text["md"])
        assert name == "runs" or those <= numbers(text["tex"])
    rows = read_results(paths["json"])
    assert len(rows) == 8 * (1 + len(SETS))
    for row in rows:
        of = outcome(row.row, row.seed).metrics
        assert row.value == of["walkers/rank1" if row.metric == "rank1" else f"walkers/{row.metric.removeprefix('rank1 ')}/rank-1"]
        assert f"{row.value:.2f}" in text["md"]
        if row.metric == "rank1":
            assert f"{row.value:.2f}" in text["html"]
            assert row.run in text["html"]
    for form in text.values():
        assert "loss is nan; lower the rate" in form
        assert "pipelines/report.py parts" in form
    assert json.loads(text["json"])["notes"] == markdown_notes(report)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex; apt-get install texlive-latex-recommended")
def test_latex_sets_every_table_on_its_page(study: Study, tmp_path: Path) -> None:
    table = write_report(sweep_report(ABLATION, study), tmp_path)[2]
    (tmp_path / "paper.tex").write_text(
        rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}\input{{{table}}}\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    assert (tmp_path / "paper.pdf").exists(), said
    assert "Overfull" not in said


def test_runs_in_the_store_have_their_commit_and_hardware(study: Study, tmp_path: Path) -> None:
    first = next(r for r in read_results(write_report(sweep_report(ABLATION, study), tmp_path)[1]) if (r.row, r.seed) == ("half", 0))
    assert (first.commit, first.hardware) == (provenance.commit(), provenance.hardware_line())
    runs = {(r.row, r.seed): r.origin for r in ablation_result(ABLATION, study).runs}
    assert runs["half", 0].config == fingerprint(of_row(ABLATION, "half", 0))
    assert runs["half", 1].commit == "unknown"
    assert runs["half", 1].config == fingerprint(of_row(ABLATION, "half", 1))
    assert "Of 5 of 8 runs the tracking store knows nothing; commit and hardware are unknown." in ablation_result(ABLATION, study).notes


def test_a_page_needs_nothing_else(study: Study, tmp_path: Path) -> None:
    page = write_report(sweep_report(ABLATION, study), tmp_path)[3].read_text()
    assert page == write_report(sweep_report(ABLATION, study), tmp_path)[3].read_text()
    assert page.count("<img ") == len(figures.ablation_figures(ablation_result(ABLATION, study))) == 3
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", page)
    assert "url(" not in page
    assert "@import" not in page
    assert "<it>" not in page  # the title is escaped
    assert 'content="width=device-width' in page


def test_a_sweep_without_a_finished_run_writes_nothing(tmp_path: Path) -> None:
    sweep = replace(ABLATION, name="nothing", seeds=(0,))
    empty = run_all(sweep, sqlite(tmp_path), failing=[(row, 0) for row in sweep.rows])
    with pytest.raises(ValueError, match="no finished run"):
        write_report(sweep_report(sweep, empty), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_seeds_of_the_command_line_are_reported(study: Study) -> None:
    fewer = replace(ABLATION, seeds=(0,), title="New title")
    assert as_last_run(fewer, study) == replace(ABLATION, title="New title")


@pytest.mark.parametrize("goals", [1, 2])
def test_a_search_is_reported(goals: int, tmp_path: Path) -> None:
    sweep, made = searched(sqlite(tmp_path), goals=goals)
    _, data, *_, page = write_report(sweep_report(sweep, made), tmp_path)
    result = search_result(sweep, made)
    assert [(r.row, r.metric, r.value) for r in read_results(data)] == [
        (f"trial {t.number}", goal.metric, value) for t in result.trials for goal, value in zip(sweep.goals, t.values, strict=True)
    ]
    assert list(figures.search_figures(result)) == ["history", "fields", "importances", *(["front"] if goals == 2 else [])]
    assert page.read_text().count("<img ") == 2 + goals
    assert f"{result.ranked()[0].values[0]:.2f}" in page.read_text()


def test_the_parent_run_gets_tables_figures_and_files(study: Study) -> None:
    assert study.parent
    with MlflowTracker.start(EXPERIMENT, data_hash="0", run_id=study.parent, system_metrics=False) as tracker:
        log_report(ABLATION, study, tracker)
    client = open_store(default_uri())
    there = {item.path for folder in (None, "tables", "figures") for item in client.list_artifacts(study.parent, folder)}
    assert {"parts.md", "parts.html", "parts.tex", "tables/gains.json", "tables/results.json", "figures/gains.png"} <= there
    gains = ablation_tables(ablation_result(ABLATION, study))[0]
    stored = json.loads(Path(client.download_artifacts(study.parent, "tables/gains.json")).read_text())
    assert stored["columns"] == ["row", *gains.head[1:]]
    assert stored["data"] == [list(line) for line in gains.lines]


def test_the_command_suggests_and_names_what_was_never_begun(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = pipeline("report.py", *words)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        return done.stderr

    assert "unknown sweep 'cod2-level'; did you mean 'cod2-levels'?" in run("cod2-level")
    assert "sweep cod2-levels has no trials yet; start it: python pipelines/sweep.py cod2-levels" in run(
        "cod2-levels", "--storage", sqlite(tmp_path), "--out", str(tmp_path)
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_the_numbers(study: Study, tmp_path: Path, width: int) -> None:
    page = write_report(sweep_report(ABLATION, study), tmp_path)[3]
    text = text_of(page.as_uri(), size=(width, 2400), picture=tmp_path / "page.png")
    report = sweep_report(ABLATION, study)
    for table in report.tables:
        for line in table.lines:
            for cell in line:
                assert cell in text
    for note in report.notes:
        assert note in text
    assert (tmp_path / "page.png").stat().st_size > 20_000


@contextmanager
def server(store: str) -> Iterator[str]:
    """MLflow's own server on a store; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        store,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, "mlflow server ended"
                assert time.monotonic() < deadline, "mlflow server did not come up"
                time.sleep(0.5)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@pytest.mark.cluster
def test_mlflow_compares_the_trials(study: Study, tmp_path: Path) -> None:
    client = open_store(default_uri())
    runs = [t.run for t in study.trials() if t.seed == 0]
    assert [client.get_run(run).data.tags["mlflow.parentRunId"] for run in runs] == [study.parent] * 3
    experiment = client.get_run(runs[0]).info.experiment_id
    with server(default_uri()) as address:
        page = f"{address}/#/compare-runs?runs={json.dumps(runs, separators=(',', ':'))}&experiments={json.dumps([experiment])}"
        text = text_of(page.replace('"', "%22"), wait=20_000, picture=tmp_path / "compare.png")
    for row in ABLATION.rows:
        assert row in text
        assert f"{outcome(row, 0).metrics['walkers/rank1']:.2f}" in text
