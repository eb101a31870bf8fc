"""Progress of long work: a bar with rate and time left on a terminal, a plain line now and then in a log."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Steps:
    """Shows steps `start`..`total`; `show` prints what was just logged. best: what the bar says of the evaluations so far."""

    def __init__(self, title: str, start: int, total: int, *, per_step: int = 1, quiet: bool = False) -> None:
        self.title, self.start, self.total, self.per_step, self.quiet = title, start, total, per_step, quiet
        self.seen = time.monotonic()
        self.seen_step = start
        self.best = ""
        self.bar: Progress | None = None
        if sys.stdout.isatty() and not quiet:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
            self.bar = Progress(*columns, TimeRemainingColumn(), console=Console())
            self.task = self.bar.add_task(title, total=total, completed=start, note="")

    def __enter__(self) -> "Steps":
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar:
            self.bar.stop()

    def advance(self, step: int) -> None:
        """`step` steps are done."""
        if self.bar:
            self.bar.update(self.task, completed=step)

    def rate(self, step: int, *, anew: bool = True) -> float:
        """Steps/s since the last call that began anew."""
        now = time.monotonic()
        rate = (step - self.seen_step) / max(1e-9, now - self.seen)
        if anew:
            self.seen, self.seen_step = now, step
        return rate

    def show(self, step: int, metrics: Mapping[str, float], rate: float, evaluated: str = "") -> None:
        """Print the metrics, what an evaluation at this step says, and the rate; the bar says the best so far instead."""
        values = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        speed = f"{rate:.2f} steps/s" + (f", {rate * self.per_step:,.0f} walks/s" if self.per_step > 1 else "")
        if self.bar:
            self.bar.update(self.task, note="  ".join(part for part in (self.best, values, speed) if part))
        elif not self.quiet:
            left = f"{clock((self.total - step) / max(rate, 1e-9))} left"
            print("  ".join(part for part in (f"{self.title} {step}/{self.total}", values, evaluated, speed, left) if part), flush=True)


def clock(seconds: float) -> str:
    """h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
