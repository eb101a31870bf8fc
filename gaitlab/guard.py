"""What a pipeline's process ends with: a status, and one line on stderr where the input or the environment was wrong."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from gaitlab.training.interrupt import Interrupted, hang_up, leave_terminal

WIDEST = 1000
"""Characters of a line that is shown; a damaged file may hold longer words."""


def printable(text: str) -> str:
    """What a terminal may be given of a message that quotes a file: no control characters, lines of bounded length."""
    lines = ["".join(c if c.isprintable() else ascii(c)[1:-1] for c in line[:WIDEST]) for line in text.split("\n")]
    return "\n".join(line + " ..." * (len(whole) > WIDEST) for line, whole in zip(lines, text.split("\n"), strict=True))


def guarded(work: Callable[[], object]) -> NoReturn:
    """Run `work` and exit: 0 done, 2 wrong input or environment (one line, no traceback), 130 stopped but resumable.

    SIGTERM and SIGHUP clean up like Ctrl-C, and exit with 143 and 129.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for number in hang_up():
        signal.signal(number, _hung_up)
    try:
        work()
    except Interrupted as stop:
        print(stop, flush=True)
        sys.exit(stop.code)
    except BrokenPipeError:  # e.g. `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except RecursionError:
        print("error: the input is nested too deeply", file=sys.stderr)
        sys.exit(2)
    except (ValueError, OSError, FloatingPointError) as error:
        named = isinstance(error, OSError) and error.filename is not None and error.strerror is not None
        print(f"error: {printable(f'{error.filename}: {error.strerror}' if named else str(error))}", file=sys.stderr)  # type: ignore[union-attr]
        sys.exit(2)
    sys.exit(0)


def _hung_up(number: int, frame: FrameType | None) -> NoReturn:
    leave_terminal()
    sys.exit(129)
