"""A sweep's report in its forms: NAME.md and NAME.json as all results, NAME.tex, NAME.html, and the same in the sweep's MLflow run."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from gaitlab.reports.page import page
from gaitlab.reports.report import Report, sweep_report
from gaitlab.reports.results import result_files, write_files
from gaitlab.reports.table import latex, markdown, tex
from gaitlab.sweeps.study import Study
from gaitlab.sweeps.sweep import Sweep
from gaitlab.training.border import Tracker


def report_files(report: Report) -> dict[str, str]:
    """Name of a file -> its text."""
    return {
        **result_files(report.name, report.title, report.rows, markdown_notes(report)),
        f"{report.name}.tex": tex_tables(report),
        f"{report.name}.html": page(report),
    }


def write_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write the four files, each whole or not at all; returns their paths."""
    return write_files(report_files(report), folder)


def log_report(sweep: Sweep, study: Study, tracker: Tracker) -> Report:
    """Tables, figures and files of the sweep's own run; returns what they show."""
    report = sweep_report(sweep, study)
    for table in report.tables:
        tracker.table(table.name, pd.DataFrame(list(table.lines), columns=[head or "row" for head in table.head]))
    tracker.table("results", pd.DataFrame([vars(row) for row in report.rows]))
    for name in report.figures:
        tracker.figure(name, partial(report.figures.__getitem__, name))
    for name, text in report_files(report).items():
        tracker.text(name, text)
    return report


def markdown_notes(report: Report) -> str:
    """Tables, notes, facts and commands, to stand below the results, which have the single runs, their probe sets and the hardware."""
    tables = [markdown(table) for table in report.tables if table.name not in ("runs", "sets")]
    notes = ["\n".join(f"* {note}" for note in report.notes)] if report.notes else []
    facts = [f"{term}: {fact}." for term, fact in report.facts.items() if term != "hardware"]
    return "\n\n".join([report.about, *tables, *notes, " ".join(facts), f"```sh\n{report.repeat}\n```"])


def tex_tables(report: Report) -> str:
    """All tables but the runs, and the notes, to be \\input; needs booktabs and graphicx."""
    tables = [latex(replace(table, name=f"{report.name}-{table.name}")) for table in report.tables if table.name != "runs"]
    notes = [f"{{\\footnotesize {tex(note)}\\par}}" for note in report.notes]
    head = f"% {report.title}; \\usepackage{{booktabs,graphicx}}; written by: {report.writer}"
    return "\n\n".join([head, *tables, *notes]) + "\n"
