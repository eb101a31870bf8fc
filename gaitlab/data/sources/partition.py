"""Which ids of a data set are for training and for testing: the field's JSON, as whatever editor has saved it.

TRAIN_SET and TEST_SET list ids; PROBE_SET and GALLERY_SET, where a data set has them, list "ID-TYPE-VIEW".
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaitlab.data.sources.foreign import foreign

LISTED = 20


@dataclass(frozen=True)
class Partition:
    """subject -> split, and "ID-TYPE-VIEW" -> role."""

    splits: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)


def read_partition(path: Path) -> Partition:
    """Checked content of a partition file, in UTF-8, UTF-16 or UTF-32, with or without a byte order mark."""
    content = b""
    try:
        content = path.read_bytes()
        sets = json.loads(content, object_pairs_hook=_once)
        train, test = (_names(sets, key) for key in ("TRAIN_SET", "TEST_SET"))
        roles = {role: _names(sets, key) if key in sets else [] for key, role in (("GALLERY_SET", "gallery"), ("PROBE_SET", "probe"))}
    except OSError as error:
        raise ValueError(f"partition {path}: cannot be read ({error.strerror})") from None
    except KeyError as error:
        raise ValueError(f"partition {path}: has no {error.args[0]}") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"partition {path}: {foreign(content) or f'is not a JSON object of lists ({error})'}") from None
    for one, other, what in ((train, test, "TRAIN_SET and TEST_SET"), (roles["gallery"], roles["probe"], "GALLERY_SET and PROBE_SET")):
        if both := sorted(set(one) & set(other)):
            raise ValueError(f"partition {path}: {listed(both)} in both {what}")
    splits = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
    return Partition(splits, {name: role for role, names in roles.items() for name in names})


def composed(name: str) -> str:
    """A name as everybody but a Mac writes it: é is one letter, not e and an accent."""
    return unicodedata.normalize("NFC", name)


def listed(names: Sequence[str], most: int = LISTED) -> str:
    """Names behind one another on a line; those that would break it are quoted."""
    shown = [name if name.isprintable() else ascii(name) for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def _names(content: Mapping[str, object], key: str) -> list[str]:
    names = content[key]
    if not isinstance(names, list) or not all(isinstance(name, (str, int)) and not isinstance(name, bool) for name in names):
        raise TypeError(f"{key} is no list of names")
    return [composed(str(name)) for name in names]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"{listed([twice])} is there twice")
    return content
