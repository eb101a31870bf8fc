"""What a run leaves in its folder besides checkpoints: its experiment from the start, its figures at the end."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gaitlab.experiment import Experiment, from_dict, to_dict
from gaitlab.home import write_whole

CONFIG, FIGURES = "experiment.json", "outcome.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """metrics: every final figure, e.g. `walkers/rank1`, percent. subjects: protocol -> probe subject -> (share, hits) of its headline
    (`evaluation.averages`), which a bootstrap over identities resamples."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    subjects: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)


def has_config(folder: Path) -> bool:
    """Whether a run has begun in the folder."""
    return (folder / CONFIG).exists()


def keep_config(experiment: Experiment, folder: Path, *, anew: bool = False) -> Path:
    """The experiment into the run's folder, where `--resume` and sweeps look for it, unless one is there or `anew`; returns the folder."""
    if anew or not has_config(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / CONFIG, json.dumps(to_dict(experiment), indent=1))
    return folder


def read_config(folder: Path) -> Experiment:
    """The experiment that `keep_config` put there."""
    experiment: Experiment = from_dict(json.loads((folder / CONFIG).read_text()))
    return experiment


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """The figures into the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FIGURES, json.dumps(asdict(outcome), indent=1))


def read_outcome(folder: Path) -> Outcome | None:
    """What a run left; None if it is not finished. A value that JSON has no number for is NaN."""
    path = folder / FIGURES
    if not path.exists():
        return None
    try:
        plain = json.loads(path.read_text())
        return Outcome(
            metrics={str(k): float(v) if v is not None else math.nan for k, v in plain["metrics"].items()},
            subjects={p: {s: (float(a), float(b)) for s, (a, b) in of.items()} for p, of in plain["subjects"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it, and the run is tested again") from None
