"""`python -m tests.fuzz [NAME ...] --minutes 10 --seed 0`: damaged and hostile files for every reader, in turn, until the time is up.

Every outcome is a success or a ValueError of ours, in one line. Anything else (another exception, a crash, more than SECONDS, more than
MEMORY) is printed with what repeats it, `--seed S --only NUMBER`, and its file is kept; exit status 1 then.
"""

import argparse
import mmap
import os
import resource
import signal
import sys
import time
import traceback

from tests.fuzz.mutate import mutated
from tests.fuzz.readers import READERS

SECONDS = 10
"""Of CPU, for a file; ten times as many where it waits."""
MEMORY = 12 * 2**30
"""Bytes of address space; torch alone maps some."""
TURN = 20.0
"""Seconds that a reader has before the next one's turn."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(READERS)}; all without a name")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, default=None, help="number of the one case to repeat")
    asked = parser.parse_args()
    names = asked.names or list(READERS)
    if asked.only is not None:
        for name in names:
            READERS[name](mutated(READERS[name].examples(), name, asked.seed, asked.only))
        return 0
    done, failed = dict.fromkeys(names, 0), 0
    end = time.monotonic() + 60 * asked.minutes
    while (left := end - time.monotonic()) > 0:
        for name in names:
            turn = min(TURN, max(0.5, left / len(names)))
            done[name], wrong = cases(name, asked.seed, done[name], turn)
            failed += wrong
    print("; ".join(f"{name} {count}" for name, count in done.items()), f"files; {failed} wrong")
    return int(failed > 0)


def cases(name: str, seed: int, start: int, seconds: float) -> tuple[int, int]:
    """Cases from `start` on in processes of their own, until the time is up: the next number, and how many went wrong."""
    wrong, end = 0, time.monotonic() + seconds
    examples = READERS[name].examples()
    while time.monotonic() < end:
        at = mmap.mmap(-1, 8)
        sys.stdout.flush()
        child = os.fork()
        if not child:
            _run(name, seed, start, end, at)
        _, status = os.waitpid(child, 0)
        start = int.from_bytes(at[:8], "little") + 1
        if status:
            wrong += 1
            kept = f"fuzz-{name.replace(' ', '-')}-{seed}-{start - 1}"
            with open(kept, "wb") as file:
                file.write(mutated(examples, name, seed, start - 1))
            how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "see above"
            print(f"WRONG: {name} --seed {seed} --only {start - 1} ({how}), kept as {kept}", flush=True)
    return start, wrong


def _run(name: str, seed: int, start: int, end: float, at: mmap.mmap) -> None:
    """In the child: exit status 0 when the time is up, else the number of the case that went wrong stands in `at`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reader, number = READERS[name], start
    examples = reader.examples()
    try:
        while True:
            at[:8] = number.to_bytes(8, "little")
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # nobody catches it: a hang is a crash
            signal.alarm(10 * SECONDS)
            reader(mutated(examples, name, seed, number))
            if time.monotonic() >= end:
                break
            number += 1
        os._exit(0)
    except BaseException:  # noqa: BLE001  (whatever a reader raises)
        traceback.print_exc(limit=-4, file=sys.stdout)
        sys.stdout.flush()
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
