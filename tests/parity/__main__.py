"""`python -m tests.parity [DIR]`: every golden of DIR, one line each, then `N passed, N failed`; exit 1 on a failure."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.parity import evaluation, networks, pretreatment
from tests.parity.check import Verdict

SHARED = Path(os.environ.get("GAITLAB_SHARED", Path(__file__).resolve().parents[3] / "shared"))
GOLDENS = SHARED / "peer" / "goldens" / "open"

Runner = Callable[[Path], Verdict]


def runners(folder: Path) -> Iterator[tuple[Path, Runner]]:
    """Every golden of a folder with the function that runs it."""
    for path in sorted(folder.glob("*.json")):
        yield path, networks.run
    for path in sorted(folder.glob("pretreatment*.npz")):
        yield path, pretreatment.run
    for path in evaluation.goldens(folder):
        yield path, evaluation.golden


def main(folder: Path) -> int:
    if not folder.is_dir():
        print(f"no folder of goldens at {folder}; type: python -m tests.parity DIR", file=sys.stderr)
        return 2
    verdicts = []
    for path, runner in runners(folder):
        verdicts.append(judged(path, runner))
        print(verdicts[-1].line, flush=True)
    passed = sum(verdict.passed for verdict in verdicts)
    print(f"{passed} passed, {len(verdicts) - passed} failed")
    return 0 if verdicts and passed == len(verdicts) else 1


def judged(path: Path, runner: Runner) -> Verdict:
    """The verdict; a golden that cannot be run has failed, whatever the reason, and the others still run."""
    try:
        return runner(path)
    except Exception as error:  # noqa: BLE001
        return Verdict(path.stem, broken=f"{type(error).__name__}: {error}".replace("\n", " "))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDENS))
