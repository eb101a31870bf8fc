"""Sizes and kinds of the embedded benchmark, ready to be named: `python pipelines/ingest.py walkers-cc --out walkers-cc`."""

from dataclasses import replace

from gaitlab.walkers.source import Generated, WalkersSource
from gaitlab.walkers.wild import WildWalkersSource

TINY = WalkersSource(name="walkers-tiny", train_subjects=6, validation_subjects=2, test_subjects=3, views=(0, 90), takes=1, frames=(12, 18))
"""Seconds; tests."""

DEMO = WalkersSource(train_subjects=120, validation_subjects=10, test_subjects=50, modalities=("silhouette",))
"""A minute or two on two cores."""

MINI = WalkersSource(
    name="walkers-mini",
    train_subjects=100,
    validation_subjects=100,
    test_subjects=300,
    views=(72, 108),
    frames=(20, 24),
    modalities=("silhouette",),
)
"""Ablations on a laptop: two views a little before and behind the side, short walks; half a minute on two cores."""

STANDARD = WalkersSource(name="walkers-standard", train_subjects=1000, validation_subjects=100, test_subjects=100)
"""130,000 walks; what methods are compared on."""

LARGE = replace(STANDARD, name="walkers-large", train_subjects=5000, validation_subjects=500, test_subjects=1000)
"""700,000 walks, for a cluster (`--ray`)."""

CLOTHES = WalkersSource(
    name="walkers-cc",
    wardrobe="own",
    conditions=("normal", "upper", "lower", "lower+upper", "bag"),
    train_subjects=200,
    validation_subjects=20,
    test_subjects=100,
)
"""Cloth change, as in CCPG (Li et al., CVPR 2023): the gallery wears its own clothes, probes wear others."""

LAB = WalkersSource(
    name="walkers-lab",
    sessions=1,
    takes=6,
    condition_takes=2,
    conditions=("normal", "bag", "clothing"),
    train_subjects=74,
    validation_subjects=50,
    test_subjects=100,
)
"""As CASIA-B (Yu et al., ICPR 2006): one session, six plain walks, two with a bag, two in a coat; 74 people to learn from, 100 to be found.
What two cores can answer: a quarter-width network is far ahead of the classical rows in minutes."""

LAB_FEW = replace(LAB, name="walkers-lab-25", train_subjects=25)
LAB_MANY = replace(LAB, name="walkers-lab-500", train_subjects=500)
"""The same test people, found by what was learnt from few and from many."""
LAB_OTHERS = replace(LAB, name="walkers-lab-others", seed=1, train_subjects=500, test_subjects=0)
"""Five hundred people who are in none of those: to learn from without their names."""

WILD = WildWalkersSource(train_subjects=500, validation_subjects=50, test_subjects=200)

PRESETS: dict[str, Generated] = {
    "walkers": DEMO,
    "walkers-tiny": TINY,
    "walkers-mini": MINI,
    "walkers-standard": STANDARD,
    "walkers-large": LARGE,
    "walkers-cc": CLOTHES,
    "walkers-lab": LAB,
    "walkers-lab-25": LAB_FEW,
    "walkers-lab-500": LAB_MANY,
    "walkers-lab-others": LAB_OTHERS,
    "walkers-wild": WILD,
}
