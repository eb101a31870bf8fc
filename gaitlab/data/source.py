"""A source of walks: what can be listed cheaply and loaded one walk at a time, on any machine.

A source is a frozen dataclass (it travels to Ray workers and into the config); datasets differ in values, not in code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gaitlab.config import Config


@dataclass(frozen=True, kw_only=True)
class Walk:
    """One row of the index before its pixels are known.

    conditions: canonical and sorted, e.g. ("bag", "night"); () is a plain walk. take: running number of equal walks.
    split: train | validation | test. role: probe | gallery where the data set's own partition says so, else "".
    source: where it came from, e.g. "001/nm-01/090". files: modality -> absolute path(s) or whatever `load` needs.
    """

    subject: str
    session: str = ""
    conditions: tuple[str, ...] = ()
    view: str = ""
    take: str = ""
    split: str = "train"
    role: str = ""
    source: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Unique name within a data set: subject/session/conditions/take/view."""
        return "/".join((self.subject, self.session or "-", "+".join(self.conditions) or "-", self.take or "-", self.view or "-"))


@dataclass(frozen=True, kw_only=True)
class SourceConfig(Config):
    """Base of all sources."""

    name: str
    """Name of the data set, written into every row."""

    def walks(self) -> Sequence[Walk]:
        """All walks, cheap (no pixels). Raises ValueError with one clear line when the folder or the partition is wrong."""
        raise NotImplementedError

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        """modality -> uint8 `[t, h, w]` or `[t, c, h, w]`. Called once per walk, on any worker. Raises ValueError on bad input."""
        raise NotImplementedError

    def shown(self, walk: Walk) -> Sequence[np.ndarray]:
        """Pictures of a walk for the contact sheet of an ingest, uint8 `[h, w]` or `[h, w, 3]`: what was given, what it was taken for.
        None of walks that nobody has given. Raises as `load` does."""
        return ()

    def frame_rates(self) -> Mapping[str, float]:
        """Frames per second, by modality, where they are known; clips of two modalities are paired by time."""
        return {}

    def checksum(self) -> str:
        """Identifies the raw input (file names, sizes and times, or the generator's parameters), for the manifest."""
        raise NotImplementedError

    def stale(self, checksum: str) -> bool:
        """Whether shards that were made from `checksum` are known to hold other walks. Not of files, which may have been put away."""
        return False
