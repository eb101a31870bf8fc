"""How far an ingest is: a bar on a terminal, a line every ten seconds in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(title: str, total: int, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields `advance(walks)`: a bar with rate and time left on a terminal, a line every ten seconds elsewhere."""
    console = Console(stderr=True)
    if shown and console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("walks"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(title, total=total)
            yield lambda walks: bar.advance(task, walks)
        return
    start = last = time.monotonic()
    done = 0

    def advance(walks: int) -> None:
        nonlocal done, last
        done += walks
        now = time.monotonic()
        if shown and (now - last > 10 or (done == total and now - start > 1)):
            last = now
            console.print(f"{title}: {done} of {total} walks, {done / (now - start):.0f}/s")

    yield advance
