"""Points of curves that the store does not have yet: one queue, in order, none twice. No MLflow here.

In order: points leave from the front, and only once the store has said that it has them. None twice: of a run that is reopened,
points that are not newer than the last step of their curve are dropped, whether they are logged again, lie in the spool, or were
logged before the store could be asked.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from gaitlab.tracking.spool import Point, Spool

TOGETHER = 1000
"""Points that leave at a time: as many as MLflow takes in one request."""


class Backlog:
    """Filled by a training loop and emptied by another thread. Its first points, as many as are kept, lie in the spool, too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._points: list[Point] = []
        self._kept = 0  # as many of them, from the first on, are in the spool
        self._spooled = False  # whether the spool may hold points of ours; another process of the run may keep its own there
        self._last: dict[str, int] = {}  # key -> last step that the run had when it was opened
        self._spool: Spool | None = None

    def __len__(self) -> int:
        return len(self._points)

    def add(self, points: Iterable[Point]) -> None:
        """To the end, but for those that the run already has."""
        with self._lock:
            self._points += [point for point in points if _lacks(point, self._last)]

    def open(self, spool: Spool) -> None:
        """Points that an earlier process left in `spool` go to the front; from now on points are kept there."""
        with self._lock:
            self._spool = spool
            there = list(spool.points())
            self._spooled = bool(there)
            earlier = [point for point in there if _lacks(point, self._last)]
            self._had((point.key, point.step) for point in earlier)
            self._points = earlier + [point for point in self._points if _lacks(point, self._last)]
            self._kept = len(earlier)

    def drop(self, last: Mapping[str, int]) -> None:
        """Forget the points that a run has whose curves end at the steps `last`."""
        with self._lock:
            kept = [point for point in self._points[: self._kept] if _lacks(point, last)]
            self._points = kept + [point for point in self._points[self._kept :] if _lacks(point, last)]
            self._kept = len(kept)
            self._had(last.items())

    def keep(self) -> None:
        """Returns when every point lies in the spool, where it outlives the process."""
        with self._lock:
            if len(self._points) > self._kept:
                assert self._spool is not None
                self._spool.add(self._points[self._kept :])
                self._spooled = True
                self._kept = len(self._points)

    def hand_over(self, send: Callable[[Sequence[Point]], object]) -> None:
        """Call `send` with the first points; they go if it returns, and stay if it raises."""
        if some := self._points[:TOGETHER]:
            send(some)
            with self._lock:
                del self._points[: len(some)]
                self._kept = max(0, self._kept - len(some))

    def tidy(self) -> None:
        """Clear the spool of points that have all gone."""
        with self._lock:
            if self._spooled and not self._kept and self._spool is not None:
                self._spool.clear_points()
                self._spooled = False

    def _had(self, steps: Iterable[tuple[str, int]]) -> None:
        for key, step in steps:
            self._last[key] = max(step, self._last.get(key, -1))


def _lacks(point: Point, last: Mapping[str, int]) -> bool:
    """Whether a run whose curves end at `last` lacks the point; a result's newest value counts, so it lacks every one."""
    return point.final or point.step > last.get(point.key, -1)
