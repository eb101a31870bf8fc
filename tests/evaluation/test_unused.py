import dataclasses

import numpy as np
import pandas as pd

from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.protocols import CASIA_B, CASIA_B_CROSS, CASIA_E, GREW, WALKERS
from gaitlab.evaluation.unused import unused
from tests.evaluation.galleries import casia, casia_e, index, noise, perfect, walkers


def test_nothing_is_said_where_all_walks_are_used() -> None:
    frame = casia(3)
    assert unused(frame, CASIA_B) == ""
    assert evaluate(noise(frame), frame, CASIA_B).unused == ""


def test_labels_that_no_set_has_are_listed_with_their_walks() -> None:
    strange = [{"subject": "000", "conditions": ("hat",), "take": "01", "view": v} for v in ("000", "045", "090")]
    strange += [{"subject": "001", "take": "01", "view": "045", "split": "train"}]
    frame = pd.concat([casia(3), index(strange)])
    line = unused(frame, CASIA_B)
    assert line == "3 of 93 test walks are in no set: conditions hat (3)"  # each walk once, and no other split's
    result = evaluate(perfect(frame), frame, CASIA_B)
    assert result.text().splitlines()[-1] == line
    assert result.rank1 == 100


def test_known_labels_in_other_combinations_are_counted() -> None:
    assert unused(casia(1), CASIA_B_CROSS) == "12 of 30 test walks are in no set: take 03 (3), 04 (3), 05 (3), 06 (3)"
    line = unused(walkers(3), WALKERS)  # the first day's walks that are not plain
    assert line == f"{3 * 7 * 2} of {3 * 8 * 2 * 2} test walks are in no set: {3 * 7 * 2} of known labels in other combinations"


def test_casia_e_without_and_with_its_back_view() -> None:
    frame = casia_e(2)
    gone = dataclasses.replace(CASIA_E, average="probes", same_view="keep")
    back = (frame["view"] == "270").sum()
    line = unused(frame, gone)
    assert f"view 270 ({back})" in line
    assert f"{len(frame[frame['session'].str.contains('scene1') & (frame['view'] != '270')]) * 2 // 3} of known labels" in line
    without = frame[frame["view"] != "270"]
    assert "270" not in unused(without, gone)
    x = noise(frame)
    np.testing.assert_allclose(
        evaluate(x, frame, CASIA_E).table.to_numpy(float),
        evaluate(x[frame["view"] != "270"], without.reset_index(drop=True), CASIA_E).table.to_numpy(float),
    )


def test_many_labels_are_cut_short() -> None:
    frame = index({"subject": f"{s}", "session": f"{k:02d}"} for s in range(3) for k in range(1, 13))
    assert unused(frame, GREW) == "30 of 36 test walks are in no set: session 03 (3), 04 (3), 05 (3), 06 (3), 07 (3), 08 (3), 4 more"
