"""Ctrl-C, SIGTERM and SIGHUP as a flag: the loop finishes its step, saves, and says how to go on. A second Ctrl-C is immediate."""

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """Training was asked to stop after `step` steps, whose checkpoint is written; None: at once, after the newest checkpoint.

    how: to go on. code: what the process ends with.
    """

    def __init__(self, step: int | None, how: str = "", code: int = 130) -> None:
        super().__init__(f"stopped{'' if step is None else f' after step {step}'}; {how}".rstrip("; "))
        self.step, self.code = step, code


@contextmanager
def stop_flag() -> Iterator[threading.Event]:
    """An event that the first SIGINT, SIGTERM or SIGHUP sets. Without effect outside the main thread (Ray runs loops in one)."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if flag.is_set() and number != signal.SIGHUP:
            raise KeyboardInterrupt
        if number == signal.SIGHUP:
            leave_terminal()
        flag.set()
        print("\nstopping after this step (Ctrl-C again to stop at once)", flush=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM, *hang_up())}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def hang_up() -> tuple[signal.Signals, ...]:
    """SIGHUP, unless this process was told to ignore it (nohup)."""
    return () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)


def leave_terminal() -> None:
    """It is gone: what is still printed to it goes nowhere, instead of being an error that keeps the checkpoint from being written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):
            os.dup2(nowhere, stream)
    os.close(nowhere)
