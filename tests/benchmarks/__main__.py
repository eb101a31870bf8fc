"""`python -m tests.benchmarks [NAME ...]` prints one JSON object a line: {"name", "value", "unit", ...}."""

import importlib
import json
import sys

from gaitlab.tracking.provenance import hardware_line

NAMES = ("feed", "storage", "walkers", "startup", "train_step", "train_step_tricks", "retrieval", "cod2", "sweep", "accuracy", "denoiser")


def main() -> None:
    """Run the named benchmarks (all without a name)."""
    asked = sys.argv[1:] or list(NAMES)
    for name in asked:
        if name not in NAMES:
            sys.exit(f"error: no benchmark {name!r}; there are {', '.join(NAMES)}")
    for name in asked:
        for row in getattr(importlib.import_module(f"tests.benchmarks.{name}"), name)():
            print(json.dumps(row | {"machine": hardware_line()}), flush=True)


if __name__ == "__main__":
    main()
