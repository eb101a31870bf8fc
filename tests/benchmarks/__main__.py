"""`python -m tests.benchmarks [NAME ...]` prints one JSON object a line: {"name", "value", "unit", ...}."""

import importlib
import json
import platform
import sys

NAMES = ("feed", "storage", "startup", "train_step")


def main() -> None:
    """Run the named benchmarks (all without a name)."""
    asked = sys.argv[1:] or list(NAMES)
    for name in asked:
        if name not in NAMES:
            sys.exit(f"error: no benchmark {name!r}; there are {', '.join(NAMES)}")
    for name in asked:
        for row in getattr(importlib.import_module(f"tests.benchmarks.{name}"), name)():
            print(json.dumps(row | {"machine": platform.processor() or platform.machine()}), flush=True)


if __name__ == "__main__":
    main()
