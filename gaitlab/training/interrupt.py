"""Ctrl-C and SIGTERM as a flag: the loop finishes its step, saves, and says how to go on. A second Ctrl-C is immediate."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """Training was asked to stop after `step` steps; the checkpoint of that step is written."""

    def __init__(self, step: int, how: str = "") -> None:
        super().__init__(f"stopped after step {step}; {how}".rstrip("; "))
        self.step = step


@contextmanager
def stop_flag() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets. Without effect outside the main thread (Ray runs loops in one)."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()
        print("\nstopping after this step (Ctrl-C again to stop at once)", flush=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
