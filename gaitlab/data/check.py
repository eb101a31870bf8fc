"""A critical look at a data set, raw (`ID/TYPE/VIEW/*.pkl` or `*.png`) or finished (shards): what is wrong, what is odd, what is in it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from gaitlab.data.coding import decode
from gaitlab.data.progress import progress_bar
from gaitlab.data.schema import MANIFEST, data_hash
from gaitlab.data.silhouettes import fault
from gaitlab.data.source import Walk
from gaitlab.data.sources.folders import IMAGES, FrameFolders
from gaitlab.data.sources.opengait import ARRAYS, OpenGaitSource
from gaitlab.data.sources.tree import TreeSource, gathered
from gaitlab.data.store import Store
from gaitlab.data.writing import checked_frames, noted

SHORT = 5
"""Walks with fewer frames are named."""
MARGIN = 10 / 64
"""Share of the width that the usual crop (64 -> 44 columns) removes on each side."""
LISTED = 5


@dataclass
class Report:
    """problems: must be mended; notes: worth knowing; counts: one row per split."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: pd.DataFrame = field(default_factory=pd.DataFrame)

    def text(self) -> str:
        parts = [self.counts.to_string(index=False)] if len(self.counts) else []
        parts += [f"note: {note}" for note in self.notes]
        parts += [f"problem: {problem}" for problem in self.problems]
        parts.append(f"{len(self.problems)} problems" if self.problems else "no problems")
        return "\n".join(parts)


@dataclass(frozen=True)
class Look:
    """What one walk's frames of one modality look like.

    margin: columns that are empty on both sides in every frame. blank: frames without any pixel above 0. fault: of silhouettes,
    what makes them none.
    """

    name: str
    modality: str
    frames: int
    shape: tuple[int, int, int]
    margin: int
    blank: int
    fault: str = ""


def check(
    path: str | Path,
    *,
    layout: str = "plain",
    partition: str = "",
    use: Sequence[str] = (),
    invert: bool = False,
    label: Sequence[str] = (),
    frames_last: bool = False,
) -> Report:
    """Looks at a folder of shards, or at a raw one, of pickles or masks, as an ingest with these options would (without a partition, no
    id can be missing)."""
    root = Path(path).expanduser().absolute()
    if (root / MANIFEST).is_file():
        return _check_shards(Store(root))
    files = (file.name.lower() for file in root.glob("*/*/*/*"))
    first = next((name for name in files if name.endswith(IMAGES + ARRAYS)), "")
    if first.endswith(IMAGES):
        return _check_raw(FrameFolders(root=str(root), layout=layout, partition=partition, invert=invert, label=tuple(label)))
    options = {"use": tuple(use), "invert": invert, "label": tuple(label), "frames_last": frames_last}
    return _check_raw(OpenGaitSource(root=str(root), layout=layout, partition=partition, **options))  # type: ignore[arg-type]


def look(frames: np.ndarray, modality: str, name: str) -> Look:
    """Facts about uint8 `[t, c, h, w]`."""
    columns = np.flatnonzero(frames.any(axis=(0, 1, 2)))
    width = frames.shape[3]
    margin = min(int(columns[0]), width - 1 - int(columns[-1])) if len(columns) else width
    blank = int((~frames.any(axis=(1, 2, 3))).sum())
    return Look(name, modality, len(frames), frames.shape[1:], margin, blank, fault(frames[:, 0]) if modality == "silhouette" else "")


def _check_raw(source: TreeSource) -> Report:
    found = source.survey()
    report = Report(problems=found.problems + found.missing, notes=list(found.odd))
    if found.ignored:
        report.notes.append(f"{len(found.ignored)} ids are in neither set of the partition")
    for key, count in Counter(walk.key for walk in found.walks).items():
        if count > 1:
            report.problems.append(f"duplicate walk {key}: {', '.join(w.source for w in found.walks if w.key == key)}")
    looks: list[Look] = []
    said: Counter[str] = Counter()
    refused: list[str] = []
    with progress_bar(f"check {source.name}", len(found.walks)) as advance:
        for walk in found.walks:
            try:
                with noted(said):
                    loaded = source.load(walk)
                looks += [look(checked_frames(array, walk.source), m, walk.source) for m, array in loaded.items()]
            except ValueError as error:
                refused.append(str(error))
            advance(1)
    report.problems += gathered(refused)
    report.notes += [f"{text} ({count} walks)" for text, count in said.items()]
    report.counts = _counts(_records(found.walks), looks)
    _judge(looks, report)
    return report


def _check_shards(store: Store) -> Report:
    report = Report()
    looks: list[Look] = []
    frames: list[pd.DataFrame] = []
    with progress_bar(f"check {store.root.name}", store.manifest["walks"]) as advance:
        for shard in store.manifest["shards"]:
            try:
                for table in _row_groups(store, shard):
                    looks += _looks(table, store.modalities)
                    frames.append(table.select(["subject", "split", "session", "conditions", "view", "key", "checksum"]).to_pandas())
                    advance(table.num_rows)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, MemoryError, pa.ArrowException) as error:
                known = type(error) is ValueError
                said = " ".join(str(error).split()) or "damaged"
                report.problems.append(said if known else f"shard {store.root / shard['file']} is no shard: {said[:200]}")
    if frames:
        index = pd.concat(frames)
        report.problems += [f"duplicate walk {key}" for key in index["key"][index["key"].duplicated()]]
        report.counts = _counts(index, looks)
        if not report.problems and data_hash(index["checksum"], store.manifest["modalities"]) != store.hash:
            report.problems.append("the manifest is of other walks than the shards: their hashes differ")
    _judge(looks, report)
    for m, facts in store.manifest["modalities"].items():
        if odd := [one.name for one in looks if one.modality == m and one.shape != tuple(facts["shape"])]:
            report.problems.append(f"{m}: {_some(odd)} not of the manifest's frame shape {_size(tuple(facts['shape']))} (c x h x w)")
    return report


def _row_groups(store: Store, shard: dict) -> Iterator[pa.Table]:
    file = store.verified(shard)
    for group in range(file.num_row_groups):
        yield file.read_row_group(group)


def _looks(table: pa.Table, modalities: Sequence[str]) -> Iterator[Look]:
    for m in modalities:
        columns = [table[name] for name in (m, f"{m}_coding", f"{m}_frames", f"{m}_shape", "key")]
        for data, coding, count, shape, key in zip(*columns, strict=True):
            if count.as_py():
                pixels = decode(data.as_buffer(), coding.as_py(), count.as_py(), tuple(shape.as_py()))
                yield look(pixels, m, key.as_py())


def _judge(looks: Sequence[Look], report: Report) -> None:
    for modality in sorted({look.modality for look in looks}):
        mine = [look for look in looks if look.modality == modality]
        shapes = Counter(look.shape for look in mine)
        usual = shapes.most_common(1)[0][0]
        odd = [look.name for look in mine if look.shape != usual]
        if odd:
            report.problems.append(f"{modality}: {_some(odd)} not of the usual frame shape {_size(usual)} (c x h x w)")
        if nobody := [look.name for look in mine if look.blank == look.frames]:
            report.problems.append(f"{modality}: {_some(nobody)} without a single bright pixel")
        elif blank := sum(look.blank for look in mine):
            report.notes.append(f"{modality}: {blank} frames show nobody, in {_some([look.name for look in mine if look.blank])}")
        if short := [look.name for look in mine if look.frames < SHORT]:
            report.notes.append(f"{modality}: {_some(short)} of fewer than {SHORT} frames")
        if modality == "silhouette":
            _judge_silhouettes(mine, usual, report)


def _judge_silhouettes(mine: Sequence[Look], usual: tuple[int, int, int], report: Report) -> None:
    for why in sorted({look.fault for look in mine if look.fault and look.blank < look.frames}):
        report.problems.append(f"silhouette: {_some([look.name for look in mine if look.fault == why])}: {why}")
    if usual[2] < usual[1]:
        report.problems.append(f"silhouette: frames are {_size(usual)} (c x h x w), already cropped; keep them whole with width=None")
        return
    border = round(MARGIN * usual[2])
    margins = Counter(look.margin for look in mine)
    if min(margins) == border and margins[border] > margins[border + 1] + margins[border + 2]:
        report.notes.append(
            f"silhouette: in all walks the outer {border} columns are empty on both sides, and {margins[border]} walks touch the next one:"
            " they look already cropped and padded, so arms and feet may be lost"
        )


def _records(walks: Sequence[Walk]) -> pd.DataFrame:
    names = ("subject", "split", "session", "conditions", "view")
    return pd.DataFrame([{name: getattr(walk, name) for name in names} for walk in walks])


def _counts(index: pd.DataFrame, looks: Sequence[Look]) -> pd.DataFrame:
    """Subjects, walks, sessions, sets of conditions and views of each split, and frames of all."""
    if index.empty:
        return pd.DataFrame()
    rows = []
    for split, part in index.groupby("split"):
        distinct = {name: part[name].map(str).nunique() for name in ("session", "conditions", "view")}
        rows.append({"split": split, "subjects": part["subject"].nunique(), "walks": len(part)} | distinct)
    frames = Counter[str]()
    for one in looks:
        frames[one.modality] += one.frames
    total: dict[str, object] = {"split": "all", "subjects": index["subject"].nunique(), "walks": len(index)}
    total |= {name: index[name].map(str).nunique() for name in ("session", "conditions", "view")}
    table = pd.DataFrame([*rows, total]).rename(columns={"session": "sessions", "view": "views"})
    for modality, count in sorted(frames.items()):
        table[f"{modality} frames"] = [""] * len(rows) + [str(count)]
    return table


def _some(names: Sequence[str]) -> str:
    """`12 walks (a, b, c, ...)`."""
    more = ", ..." if len(names) > LISTED else ""
    return f"{len(names)} walk{'s' if len(names) > 1 else ''} ({', '.join(names[:LISTED])}{more})"


def _size(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))
