"""Clips of one walk: those that follow another, of two clocks, and walks that lack one."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gaitlab.data.feed import Feed, whole_walks
from gaitlab.data.ingest import ingest
from gaitlab.data.source import Walk
from gaitlab.data.store import Store
from gaitlab.types import Augment, ClipSpec
from tests.data.noise import CLIPS, CPU, GAIT, Noise


@pytest.mark.parametrize("frames", [5, (2, 6)])
def test_a_clip_that_follows_another_has_its_frames_and_transforms(sensors: Store, frames: int | tuple[int, int]) -> None:
    """The same modality twice is the same clip twice; another modality shows the frames and the transforms that it would show alone."""
    lead = ClipSpec(frames=frames, order="ordered", width=44, augment=Augment(perspective=0.5, flip=0.5, rotate=0.5, erase=0.5))
    twin, range_view = replace(lead, follows="gait"), replace(lead, modality="range", follows="gait")
    batch = Feed(sensors, {"other": GAIT, "gait": lead, "twin": twin, "range": range_view}, p=4, k=3, seed=2).batch(1, CPU)
    assert torch.equal(batch.clips["gait"], batch.clips["twin"])
    assert torch.equal(batch.lengths["gait"], batch.lengths["range"])
    alone = Feed(sensors, {"other": GAIT, "range": replace(lead, modality="range")}, p=4, k=3, seed=2).batch(1, CPU)
    assert torch.equal(batch.clips["range"], alone.clips["range"])  # the stream of clip number 1, whatever its modality


def test_a_clip_can_follow_only_one_before_it_of_as_many_frames(store: Store, sensors: Store) -> None:
    follower = replace(GAIT, modality="range", follows="gait")
    with pytest.raises(ValueError, match=r"clip 'range' follows 'gait', which is none of the clips before it \(\)"):
        Feed(sensors, {"range": follower, "gait": GAIT}, p=2, k=2, seed=0)
    frames = sensors.index.columns.get_loc("range_frames")
    sensors.index.iloc[2, frames] += 1
    try:
        with pytest.raises(
            ValueError, match=f"1 walks have silhouette and range frames of unequal time, .*{sensors.index['key'].iloc[2]}.*--fps"
        ):
            Feed(sensors, {"gait": GAIT, "range": follower}, p=2, k=2, seed=0)
    finally:
        sensors.index.iloc[2, frames] -= 1


def test_a_walk_that_lacks_a_clip_is_left_out_of_training_and_named_in_a_test(tmp_path: Path) -> None:
    source = Noise(subjects=3, walks_each=3, without_depth="s1/-/-/-/002")
    store = Store(ingest(source, tmp_path / "shards", progress=False).root, cache=tmp_path / "cache")
    lacking = int(np.flatnonzero(store.index["key"] == "s1/-/-/-/002")[0])
    assert (Feed(store, {"gait": GAIT}, p=2, k=2, seed=0).walks, Feed(store, {"gait": GAIT}, p=2, k=2, seed=0).left_out) == (6, 0)
    feed = Feed(store, CLIPS, p=2, k=2, seed=0)
    assert (feed.walks, feed.left_out) == (5, 1)
    assert {int(row) for step in range(40) for row in feed.batch(step, CPU).rows} == {*range(6)} - {lacking}
    with pytest.raises(ValueError, match="1 walks have no depth frames, the first is 's1/-/-/-/002'"):
        whole_walks(store, np.arange(6), CLIPS, CPU)
    index = store.index
    index.loc[index["split"] == "train", "depth_frames"] = 0
    with pytest.raises(ValueError, match=r"^no train walk of shards has silhouette and depth frames"):
        Feed(store, CLIPS, p=2, k=2, seed=0)


@dataclass(frozen=True, kw_only=True)
class TwoClocks(Noise):
    """Silhouettes 30 times a second and range views 10 times; a pixel is the frame's number. torn: one walk is longer for the camera."""

    name: str = "two-clocks"
    torn: bool = False

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        frames = 45 + int(walk.view) + 90 * (self.torn and walk.key == self.walks()[0].key)
        number = np.arange(frames, dtype=np.uint8)[:, None, None]
        return {"silhouette": np.broadcast_to(number, (frames, 64, 64)).copy(), "range": np.broadcast_to(number[:16], (16, 64, 64)).copy()}

    def frame_rates(self) -> dict[str, float]:
        return {"silhouette": 30.0, "range": 10.0}

    def checksum(self) -> str:
        return "clocks"


class Slower(TwoClocks):
    def frame_rates(self) -> dict[str, float]:
        return {"silhouette": 25.0, "range": 10.0}


def test_clips_of_two_clocks_show_the_same_moments(tmp_path: Path) -> None:
    store = ingest(TwoClocks(), tmp_path / "shards", progress=False)
    assert store.manifest["modalities"]["range"] == {"shape": [1, 64, 64], "packed": False, "frames": 16 * 35, "fps": 10.0}
    spec = ClipSpec(frames=(4, 9), order="ordered", skip=20)
    clips = {"camera": spec, "lidar": replace(spec, modality="range", follows="camera")}
    batch = Feed(store, clips, p=4, k=3, seed=1).batch(0, CPU)
    camera, lidar = ((batch.clips[role][:, :, 0, 0, 0] * 255).round() for role in clips)
    inside = torch.arange(camera.shape[1]) < batch.lengths["lidar"][:, None]
    assert torch.equal(lidar[inside], (camera[inside] / 3).round().clamp(max=15))
    assert camera.max() > 20
    assert (lidar[~inside] == 0).all()
    whole = whole_walks(store, np.arange(3), clips, CPU)
    assert whole.lengths["lidar"].tolist() == whole.lengths["camera"].tolist() == [45, 46, 47]
    assert (whole.clips["lidar"][0, :45, 0, 0, 0] * 255).round().tolist() == [min(round(i / 3), 15) for i in range(45)]

    slower = ingest(Slower(), tmp_path / "slower", progress=False)
    assert slower.hash != store.hash, "the same frames, paired otherwise"
    torn = ingest(TwoClocks(torn=True), tmp_path / "torn", progress=False)
    with pytest.raises(ValueError, match=r"1 walks have silhouette and range frames of unequal time, .*: 135 \(30 a second\) and 16 \(10 "):
        Feed(torn, clips, p=4, k=3, seed=1)
