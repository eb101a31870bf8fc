"""The queue of points without MLflow: whatever happens to the store and the process, the curves are those of a run that was never cut."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gaitlab.tracking import backlog
from gaitlab.tracking.backlog import Backlog
from gaitlab.tracking.spool import Point, Spool

Mode = Literal["answers", "away", "silent"]
"""silent: a request is carried out, and its answer does not come back."""
Event = Literal["log", "checkpoint", "send", "kill", "end", "answers", "away", "silent"]
OFTEN: tuple[Event, ...] = ("log", "log", "checkpoint", "kill")


@pytest.fixture(autouse=True, scope="module")
def _small_requests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backlog, "TOGETHER", 3)
        yield


class Store:
    """Points in the order of their arrival, and like MLflow's databases, one of a key, step, time and value once."""

    def __init__(self) -> None:
        self.mode: Mode = "answers"
        self._points: dict[Point, None] = {}

    def take(self, points: Sequence[Point]) -> None:
        if self.mode != "away":
            self._points |= dict.fromkeys(points)
        self._answer()

    def last_steps(self) -> dict[str, int]:
        self._answer()
        return {key: max(step for step, _ in self.curve(key)) for key in {p.key for p in self._points}}

    def curve(self, key: str) -> list[tuple[int, float]]:
        return [(p.step, p.value) for p in self._points if p.key == key]

    def _answer(self) -> None:
        if self.mode != "answers":
            raise ConnectionError


class Process:
    """A loop from `step` on, and the delivery, which opens the backlog before all else that it does. `clock` goes on over processes."""

    clock = 0

    def __init__(self, store: Store, folder: Path, step: int) -> None:
        self.store, self.spool, self.step = store, Spool(folder), step
        self.backlog, self.opened, self.reopened = Backlog(), False, False

    def log(self) -> None:
        Process.clock += 1
        points = [Point("loss", self.step / 7, self.step, self.clock)]
        if self.step % 2 == 0:
            points.append(Point("rank1", float(self.step), self.step, self.clock))
        points.append(Point("newest", float(self.clock), 0, self.clock, final=True))
        self.backlog.add(points)
        self.step += 1

    def open(self) -> None:
        if not self.opened:
            self.reach(send=False)
            self.backlog.open(self.spool)
            self.opened = True

    def checkpoint(self) -> int:
        self.open()
        self.backlog.keep()
        return self.step

    def send(self) -> None:
        self.open()
        while len(self.backlog):
            if not self.reach():
                self.backlog.keep()
                return
        self.backlog.tidy()

    def reach(self, *, send: bool = True) -> bool:
        try:
            if not self.reopened:
                self.backlog.drop(self.store.last_steps())
                self.reopened = True
            if send:
                self.backlog.hand_over(self.store.take)
        except ConnectionError:
            return False
        return True


def run(events: Sequence[Event]) -> tuple[Store, int]:
    """The store after the events, and after a last process that resumes, logs up to where the run had been, and ends in peace."""
    store, resume, furthest = Store(), 0, 0
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "spool"
        process = Process(store, folder, resume)
        for event in (*events, "kill"):
            if event == "log":
                process.log()
                furthest = max(furthest, process.step)
            elif event == "checkpoint":
                resume = process.checkpoint()
            elif event == "send":
                process.send()
            elif event in ("kill", "end"):
                if event == "end":
                    resume = process.checkpoint()
                    process.send()
                elif folder.exists():
                    with (folder / "metrics.jsonl").open("a") as file:
                        file.write('{"key": "loss", "val')  # killed while it wrote
                process = Process(store, folder, resume)
            else:
                store.mode = event
        store.mode = "answers"
        while process.step < max(1, furthest):
            process.log()
        process.send()
        assert not len(process.backlog)
        assert not list(process.spool.points())
    return store, max(1, furthest)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(get_args(Event) + OFTEN), min_size=5, max_size=40))
@example(["log", "log", "send", "kill", "away", "log", "log", "log"])  # logged again before the store could be asked
@example(["away", "log", "checkpoint", "kill", "log", "checkpoint"])  # kept behind a line that was cut short
@example(["log", "checkpoint", "silent", "send", "kill", "away", "log", "send", "answers", "send"])
def test_every_point_once_and_in_order(events: list[Event]) -> None:
    store, steps = run(events)
    assert store.curve("loss") == [(step, step / 7) for step in range(steps)]
    assert store.curve("rank1") == [(step, float(step)) for step in range(0, steps, 2)]
    results = [value for _, value in store.curve("newest")]
    assert results == sorted(results)


def test_what_the_run_has_is_dropped_wherever_it_is(tmp_path: Path) -> None:
    def points(*steps: int) -> list[Point]:
        return [Point("loss", step / 7, step, 0) for step in steps]

    result = Point("rank1", 79.0, 0, 0, final=True)
    spool = Spool(tmp_path)
    spool.add([*points(3, 4, 5), result])
    queue, sent = Backlog(), []
    queue.add(points(4, 5, 6))  # before the spool is read
    queue.open(spool)
    queue.add(points(5, 6, 7))
    assert len(queue) == 7  # 3 4 5 and the result, of the loop 6, and 6 7: this process logged 6 twice, and that is its own affair
    queue.drop({"loss": 4, "rank1": 0})
    queue.keep()
    while len(queue):
        queue.hand_over(sent.extend)
    assert sent == [*points(5), result, *points(6, 6, 7)]
    assert list(spool.points())
    queue.tidy()
    assert not list(spool.points())


def test_points_stay_if_they_could_not_be_sent(tmp_path: Path) -> None:
    queue = Backlog()
    queue.open(Spool(tmp_path))
    queue.add([Point("loss", 0.0, step, 0) for step in range(4)])
    with pytest.raises(ZeroDivisionError):
        queue.hand_over(lambda points: 1 / 0)
    assert len(queue) == 4
    queue.hand_over(lambda points: queue.add([Point("loss", 0.0, 4, 0)]))  # a loop goes on meanwhile
    assert len(queue) == 2
