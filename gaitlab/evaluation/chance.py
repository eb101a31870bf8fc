"""What a ranking in random order would score under a protocol: the floor that a table is read against."""

import numpy as np
import pandas as pd

from gaitlab.evaluation import open_set
from gaitlab.evaluation.averages import COUNTS, Averages, mates_and_ranked, with_mean
from gaitlab.evaluation.protocol import RetrievalRules, Where, galleries, select
from gaitlab.evaluation.result import mean_table


def chance(index: pd.DataFrame, protocol: RetrievalRules) -> pd.DataFrame:
    """The expected table of a random order: rows and columns of `Result.table`, without mAP and mINP.

    With m mates among r ranked walks, none is in the first k with probability prod_{i<k} (r - m - i) / (r - i).
    """
    if len(groups := galleries(index, protocol)) > 1:
        return mean_table([chance(index.iloc[rows], protocol) for rows in groups])
    chosen = select(index, protocol)
    if not isinstance(protocol.gallery, Where):
        return with_mean(pd.concat([chance(index, part) for part in protocol.with_one_gallery()]), protocol, chosen)
    m, r = mates_and_ranked(index, chosen, protocol)

    def hit(k: int) -> np.ndarray:
        i = np.arange(k)
        miss = np.clip(r[..., None] - m[..., None] - i, 0, None) / np.maximum(r[..., None] - i, 1)
        return np.where(m > 0, 1 - miss.prod(-1), 0.0)

    table = Averages(index, chosen, protocol, m).table(hit, {})
    if protocol.enrolled is None:
        return table
    counts = [column for column in COUNTS if column in table]
    return pd.concat([table.drop(columns=counts), pd.DataFrame(open_set.by_chance(table["rank-1"])), table[counts]], axis=1)
