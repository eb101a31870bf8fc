"""Where gaitlab keeps what it makes: shards, runs, the MLflow store, the memory maps."""

import os
from pathlib import Path


def home() -> Path:
    """$GAITLAB_HOME, or ~/gaitlab; absolute, so that a job's temporary working directory does not matter. Created on first use."""
    path = Path(os.environ.get("GAITLAB_HOME") or Path.home() / "gaitlab").expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path
