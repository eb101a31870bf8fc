"""Walks of a split that a protocol has no use for: nobody should find out from a count that does not add up."""

import numpy as np
import pandas as pd

from gaitlab.evaluation.protocol import AnyProtocol, spelled

LISTED = 6
COLUMNS = ("conditions", "view", "session", "role", "take")


def unused(index: pd.DataFrame, protocol: AnyProtocol) -> str:
    """`237 of 1885 test walks are in no set: view 270 (237)`, or "" where all are used.

    Labels that no walk of a set has are listed with their walks, each walk once; the rest has labels of the sets in another combination.
    """
    used = np.zeros(len(index), dtype=bool)
    for _, rows in protocol.sides(index):
        used[rows] = True
    inside = (index["split"] == protocol.split).to_numpy()
    rest = index[inside & ~used]
    if rest.empty:
        return ""
    known, left, listed = index[used], rest, []
    for column in COLUMNS:
        strange = ~left[column].isin(set(known[column]))
        if strange.any():
            counts = left.loc[strange, column].map(spelled).value_counts().sort_index()
            some = [f"{label} ({count})" for label, count in counts.iloc[:LISTED].items()]
            more = [f"{len(counts) - LISTED} more"] if len(counts) > LISTED else []
            listed.append(f"{column} {', '.join([*some, *more])}")
            left = left[~strange]
    if len(left):
        listed.append(f"{len(left)} of known labels in other combinations")
    return f"{len(rest)} of {inside.sum()} {protocol.split} walks are in no set: {'; '.join(listed)}"
