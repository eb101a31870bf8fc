"""Batches against a loop over walks and frames of the same store."""

import gc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.data.buffers import Buffers
from gaitlab.data.clips import frame_numbers
from gaitlab.data.draws import generator
from gaitlab.data.feed import Drawn, Feed, LocalFrames, ahead, clip_pixels, whole_walks
from gaitlab.data.ingest import ingest
from gaitlab.data.skeletons import maps
from gaitlab.data.skeletons import unpack as unpack_joints
from gaitlab.data.source import Walk
from gaitlab.data.store import Store
from gaitlab.data.unpack import Layout, columns, unpack, unpack_by_shifts
from gaitlab.data.vectors import pack as pack_vectors
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.rng import Rng
from gaitlab.training.embed import embed
from gaitlab.training.run import LocalRun
from gaitlab.types import Augment, Batch, ClipSpec
from tests.data.noise import CLIPS, CPU, GAIT, SENSED, Noise, Sensors, same


def test_a_batch_is_what_a_loop_over_its_frames_gives(store: Store) -> None:
    clips = {role: replace(spec, augment=Augment()) for role, spec in CLIPS.items()}
    feed = Feed(store, clips, p=4, k=3, seed=2)
    assert feed.subjects == ["s0", "s1", "s2", "s3", "s4", "s5"]
    for step in range(4):
        batch = feed.batch(step, CPU)
        rows = batch.rows.numpy()
        assert [feed.subjects[label] for label in batch.subject] == store.index["subject"].iloc[rows].tolist()
        for i, (role, spec) in enumerate(clips.items()):
            walks = store.index[f"{spec.modality}_frames"].to_numpy()[rows]
            numbers, lengths = frame_numbers(walks, spec, generator(2, step, 2 * i + 1))
            assert batch.lengths[role].tolist() == lengths.tolist()
            clip = batch.clips[role]
            assert clip.dtype == torch.float32
            assert clip.shape[:2] == numbers.shape
            for row, own, pixels in zip(rows, numbers, clip, strict=True):
                for number, frame in zip(own, pixels, strict=True):
                    want = np.zeros(frame.shape, np.float32)
                    if number >= 0:
                        whole = store.frames(spec.modality).walk(row)[number]
                        want = whole[..., 10:54] if spec.width == 44 else whole
                    assert (frame.numpy() == np.float32(want) * np.float32(1 / 255)).all()


def test_float_is_uint8_in_0_to_1(store: Store) -> None:
    feed = Feed(store, CLIPS, p=4, k=2, seed=0)
    for role, pixels in feed.uint8(3, CPU).items():
        assert pixels.dtype == torch.uint8
        assert torch.equal(feed.batch(3, CPU).clips[role], pixels * (1 / 255))
        assert pixels.max() == 255
        assert feed.batch(3, CPU).clips[role].max() == 1


@pytest.mark.parametrize("world", [2, 3])
def test_workers_share_the_batch_of_one_process(store: Store, world: int) -> None:
    alone = Feed(store, CLIPS, p=6, k=2, seed=4)
    feeds = [Feed(store, CLIPS, p=6, k=2, seed=4, rank=rank, world=world) for rank in range(world)]
    for step in range(5):
        whole = alone.batch(step, CPU)
        for rank, feed in enumerate(feeds):
            part = slice(rank, None, world)
            clips = {role: clip[part] for role, clip in whole.clips.items()}
            lengths = {role: length[part] for role, length in whole.lengths.items()}
            assert same(feed.batch(step, CPU), Batch(clips, lengths, whole.subject[part], whole.rows[part]))


def test_batches_are_those_of_batch_and_are_never_overwritten(store: Store) -> None:
    feed = Feed(store, CLIPS, p=4, k=2, seed=1)
    kept = list(feed.batches(3, 30, CPU))
    assert len(kept) == 27
    assert all(same(batch, feed.batch(step, CPU)) for step, batch in enumerate(kept, 3))
    assert not same(kept[0], kept[1])
    assert list(feed.batches(5, 5, CPU)) == []


def test_an_error_in_the_thread_reaches_the_caller_and_leaving_early_ends_it() -> None:
    made = []

    def make(step: int) -> Batch:
        made.append(step)
        if step == 2:
            raise RuntimeError("no frame")
        return Batch({}, {}, torch.zeros(step), torch.zeros(step))

    coming = ahead(make, 0, 10)
    assert [len(next(coming)), len(next(coming))] == [0, 1]
    with pytest.raises(RuntimeError, match="no frame"):
        next(coming)
    early = ahead(make, 3, 100)
    assert len(next(early)) == 3
    early.close()
    assert max(made) <= 4


def test_batches_ahead_are_made_on_one_core_and_the_caller_keeps_its_own() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        used = [len(batch) for batch in ahead(lambda _: Batch({}, {}, torch.zeros(torch.get_num_threads()), torch.zeros(0)), 0, 4)]
        assert used == [1] * 4
        assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)


def test_whole_walks_are_padded_with_zeros_and_cut_at_the_limit(store: Store) -> None:
    rows = np.array([4, 30, 11])
    batch = whole_walks(store, rows, replace(CLIPS["other"], limit=7), CPU)
    frames = store.index["silhouette_frames"].to_numpy()[rows]
    assert batch.lengths["gait"].tolist() == np.minimum(frames, 7).tolist()
    assert batch.subject.tolist() == [-1, -1, -1]
    assert batch.rows.tolist() == rows.tolist()
    for row, length, clip in zip(rows, batch.lengths["gait"], batch.clips["gait"], strict=True):
        want = store.frames("silhouette").walk(row)[:length, ..., 10:54]
        assert torch.equal(clip[:length], torch.from_numpy(want) * (1 / 255))
        assert (clip[length:] == 0).all()


def test_drawn_by_walks_every_training_walk_comes_once_per_epoch(store: Store) -> None:
    feed = Feed(store, {"gait": GAIT}, p=5, k=2, seed=0, draw="walks")
    seen = [feed.batch(step, CPU) for step in range(3)]
    assert sorted(torch.cat([batch.rows for batch in seen]).tolist()) == store.index.index[store.index["split"] == "train"].tolist()
    assert same(seen[2], Feed(store, {"gait": GAIT}, p=2, k=5, seed=0, draw="walks").batch(2, CPU))
    assert not torch.equal(seen[0].rows, feed.batch(3, CPU).rows)  # another epoch, another order
    halves = [Feed(store, {"gait": GAIT}, p=5, k=2, seed=0, draw="walks", rank=rank, world=2).batch(1, CPU) for rank in range(2)]
    assert torch.equal(torch.stack([half.rows for half in halves], 1).flatten(), seen[1].rows)


@dataclass(frozen=True, kw_only=True)
class Bodies(Noise):
    """Silhouettes and vectors of three numbers; even walks are healthy, odd ones ill."""

    name: str = "bodies"

    def walks(self) -> list[Walk]:
        return [replace(walk, conditions=("ill" if int(walk.view) % 2 else "healthy",)) for walk in super().walks()]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        silhouette = super().load(walk)["silhouette"]
        return {"silhouette": silhouette, "smpl": pack_vectors(numbers_of(walk, len(silhouette)))}


def numbers_of(walk: Walk, frames: int) -> np.ndarray:
    return np.random.default_rng(list(walk.source.encode())).normal(size=(frames, 3)).astype(np.float32) * 100


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("bodies")
    return Store(ingest(Bodies(), folder / "shards", progress=False).root, cache=folder / "cache")


def test_vectors_come_back_to_the_last_bit(bodies: Store) -> None:
    clips = {"gait": replace(GAIT, augment=Augment(flip=0.5)), "smpl": replace(GAIT, modality="smpl", width=None, follows="gait")}
    batch = Feed(bodies, clips, p=4, k=3, seed=2).batch(1, CPU)
    assert batch.clips["smpl"].shape == (12, 6, 3)
    for row, clip in zip(batch.rows, batch.clips["smpl"], strict=True):
        walk = next(w for w in Bodies().walks() if w.key == bodies.index["key"].iloc[int(row)])
        known = numbers_of(walk, int(bodies.index["smpl_frames"].iloc[int(row)]))
        assert all((known == frame).all(1).any() for frame in clip.numpy())
    whole = whole_walks(bodies, np.array([3, 5]), clips, CPU)
    assert all((clip[length:] == 0).all() for clip, length in zip(whole.clips["smpl"], whole.lengths["smpl"], strict=True))


def test_targets_are_numbers_of_conditions(bodies: Store, store: Store) -> None:
    feed = Feed(bodies, {"gait": GAIT}, p=4, k=3, seed=2, targets=("ill", "healthy"))
    batch = feed.batch(0, CPU)
    assert batch.target is not None
    conditions = bodies.index["conditions"].iloc[batch.rows.numpy()]
    assert [("ill", "healthy")[code] for code in batch.target.tolist()] == [condition for (condition,) in conditions]
    assert batch.part(2, 5).target.tolist() == batch.target[2:5].tolist()  # type: ignore[union-attr]
    assert Feed(bodies, {"gait": GAIT}, p=4, k=3, seed=2).batch(0, CPU).target is None
    with pytest.raises(ValueError, match=r"are not of just one of healthy, dead; .* the data have healthy, ill"):
        Feed(bodies, {"gait": GAIT}, p=4, k=3, seed=2, targets=("healthy", "dead"))


def test_skeleton_maps_are_drawn_from_stored_joints(sensors: Store) -> None:
    assert sensors.modalities == ["joints", "range", "silhouette"]
    spec = replace(SENSED["skeleton"], augment=Augment())
    feed = Feed(sensors, {"gait": spec}, p=4, k=3, seed=2)
    for step in range(3):
        seen, batch = feed.uint8(step, CPU)["gait"], feed.batch(step, CPU)
        rows, lengths = batch.rows.numpy(), batch.lengths["gait"].numpy()
        numbers, _ = frame_numbers(sensors.index["joints_frames"].to_numpy()[rows], spec, generator(2, step, 1))
        assert seen.shape[2:] == (2, 64, 44)
        for row, length, own, clip in zip(rows, lengths, numbers, seen, strict=True):
            joints = torch.from_numpy(unpack_joints(sensors.frames("joints").walk(row)[own[:length]]))
            assert torch.equal(clip[:length], maps(joints[None], numbers=torch.tensor(own[None, :length]))[0, ..., 10:54])
            assert not clip[length:].any()


def test_missing_joints_come_from_neighbours_in_time_whatever_the_order_of_a_clip(sensors: Store) -> None:
    row = int(sensors.index["joints_frames"].to_numpy()[:30].argmax())
    frames = int(sensors.index["joints_frames"].iloc[row])
    spec = ClipSpec(modality="skeleton", frames=frames, order="unordered")
    stored = LocalFrames(sensors, ["skeleton"])
    numbers = np.random.default_rng(0).permutation(frames)[None]
    whole, mixed = (
        clip_pixels(stored, np.array([row]), spec, Drawn(order, np.array([frames]), None), CPU, Buffers())
        for order in (np.arange(frames)[None], numbers)
    )
    assert frames > 5
    assert torch.equal(mixed[0], whole[0, numbers[0]])


def test_transforms_act_on_drawn_maps(sensors: Store) -> None:
    turned = replace(SENSED["skeleton"], frames=4, augment=Augment(flip=1.0))
    plain = replace(turned, augment=Augment())
    one, other = (Feed(sensors, {"gait": spec}, p=4, k=3, seed=2).batch(1, CPU).clips["gait"] for spec in (turned, plain))
    assert torch.equal(one, other.flip(-1))
    warped = Feed(sensors, {"gait": replace(turned, augment=Augment(rotate=1.0))}, p=4, k=3, seed=2).batch(1, CPU).clips["gait"]
    assert 0 < (warped - other).abs().mean() < 0.2
    assert float(warped.mean()) == pytest.approx(float(other.mean()), rel=0.2)


def test_three_modalities_side_by_side(sensors: Store) -> None:
    alone = Feed(sensors, SENSED, p=6, k=2, seed=4)
    batch = alone.batch(0, CPU)
    assert {role: clip.shape[2:] for role, clip in batch.clips.items()} == {
        "silhouette": (1, 64, 44),
        "range": (1, 64, 64),
        "skeleton": (2, 64, 44),
    }
    halves = [Feed(sensors, SENSED, p=6, k=2, seed=4, rank=rank, world=2).batch(0, CPU) for rank in range(2)]
    for role, clip in batch.clips.items():
        for rank, half in enumerate(halves):
            assert torch.equal(half.clips[role], clip[rank::2])
    assert all(same(seen, alone.batch(step, CPU)) for step, seen in enumerate(alone.batches(0, 4, CPU)))
    rows = np.array([3, 20])
    whole = whole_walks(sensors, rows, SENSED, CPU)
    assert all(torch.equal(lengths, whole.lengths["range"]) for lengths in whole.lengths.values())
    for row, clip, length in zip(rows, whole.clips["skeleton"], whole.lengths["skeleton"], strict=True):
        drawn = maps(torch.from_numpy(unpack_joints(sensors.frames("joints").walk(row)))[None])[0, ..., 10:54]
        assert torch.equal(clip[:length], drawn * (1 / 255))


def test_joints_themselves_pass_through(sensors: Store) -> None:
    batch = whole_walks(sensors, np.array([3]), ClipSpec(modality="joints", width=None), CPU)
    assert torch.equal((batch.clips["gait"][0] * 255).round().byte(), torch.tensor(sensors.frames("joints").walk(3)))


def test_stored_maps_are_used_as_they_are(tmp_path: Path, sensors: Store) -> None:
    store = Store(ingest(Sensors(stored_maps=True), tmp_path / "shards", progress=False).root, cache=tmp_path / "cache")
    batch = whole_walks(store, np.array([3]), SENSED["skeleton"], CPU)
    assert torch.equal(batch.clips["gait"][0], torch.tensor(store.frames("skeleton").walk(3)[..., 10:54]) * (1 / 255))


def test_maps_need_maps_or_joints(store: Store, sensors: Store) -> None:
    with pytest.raises(ValueError, match="has no 'skeleton'; it has depth, silhouette"):
        Feed(store, {"gait": SENSED["skeleton"]}, p=2, k=2, seed=0)
    with pytest.raises(ValueError, match="has no 'depth'; it has joints, range, silhouette"):
        Feed(sensors, CLIPS, p=2, k=2, seed=0)
    with pytest.raises(ValueError, match=r"drawn from joints of \(3, 17, 2\) bytes a frame; here they are \(1, 17, 3\)"):
        Layout((1, 17, 3), False, drawn=True)


def test_a_network_learns_and_embeds_from_joints(sensors: Store, tmp_path: Path) -> None:
    clip = replace(SENSED["skeleton"], frames=4)
    backbone = DeepGaitV2Config(channels=(4, 4, 4, 4), in_channels=2, bins=(4,))
    config = SupervisedConfig(backbone=backbone, clip=clip, embedding=4)
    feed = Feed(sensors, config.clips(), p=3, k=2, seed=0)
    torch.manual_seed(0)
    method = config.build(len(feed.subjects))
    before = [parameter.detach().clone() for parameter in method.parameters()]
    optimiser = torch.optim.SGD(method.param_groups(), lr=0.1)
    batch = feed.batch(0, CPU)
    loss = method(batch, Rng(0, 0, range(len(batch)))).total()
    loss.backward()
    optimiser.step()
    assert torch.isfinite(loss)
    assert any(not torch.equal(a, b) for a, b in zip(before, method.parameters(), strict=True))
    rows, run = np.array([2, 9, 30]), LocalRun(lambda: tmp_path, device=CPU)
    embedded = embed(method, sensors, rows, config.test_clips(), run)
    assert embedded.shape == (3, 4, 4)
    alone = embed(method, sensors, rows[1:2], config.test_clips(), run)
    assert np.allclose(embedded[1], alone[0], atol=1e-5)


def test_wrong_sizes_are_refused_before_the_first_batch(store: Store) -> None:
    with pytest.raises(ValueError, match="only 6 training subjects: p can be at most 6"):
        Feed(store, {"gait": GAIT}, p=7, k=2, seed=0)
    with pytest.raises(ValueError, match="cannot keep 44 of 12 columns"):
        Feed(store, {"depth": ClipSpec(modality="depth")}, p=2, k=2, seed=0)


@pytest.mark.parametrize(
    ("shape", "width"), [((1, 64, 64), 44), ((1, 64, 64), None), ((2, 64, 64), 32), ((1, 64, 64), 42), ((1, 128, 128), 88), ((3, 7, 5), 3)]
)
@pytest.mark.parametrize("lead", [(4,), (2, 3), (0, 5)])
def test_unpacking_is_numpys(shape: tuple[int, int, int], width: int | None, lead: tuple[int, ...]) -> None:
    pixels = (np.random.default_rng(0).random((*lead, *shape)) > 0.5).astype(np.uint8) * np.uint8(255)
    flat = pixels.reshape(*lead, int(np.prod(shape)))
    stored = torch.from_numpy(np.packbits(flat, axis=-1))
    crop = columns(shape[2], width)
    want = torch.from_numpy(pixels[..., crop])
    assert torch.equal(unpack(stored, shape, True, width, Buffers()), want)
    assert torch.equal(unpack_by_shifts(stored, shape, crop), want)
    assert torch.equal(unpack(torch.from_numpy(flat), shape, False, width, Buffers()), want)


def test_crops_are_central() -> None:
    assert (columns(64, 44), columns(128, 88), columns(44, 44)) == (slice(10, 54), slice(20, 108), slice(0, 44))


def test_memory_is_used_again_only_when_nobody_looks_at_it() -> None:
    buffers = Buffers()
    first = buffers.empty((10, 10), torch.float32)
    place = first.data_ptr()
    view = first[2:5].numpy()
    del first
    gc.collect()
    others = [buffers.empty((10, 10), torch.float32) for _ in range(20)]
    assert place not in {other.data_ptr() for other in others}
    weight = torch.ones(10, 10, requires_grad=True)
    inside_graph = others[-1]
    inside_graph.fill_(3)
    loss = (weight * inside_graph).sum()
    held = inside_graph.data_ptr()
    del inside_graph, others, view
    assert buffers.empty((10, 10), torch.float32).data_ptr() != held
    loss.backward()
    assert (weight.grad == 3).all()
    once = buffers.empty((10, 10), torch.uint8)
    again = once.data_ptr()
    del once
    assert buffers.empty((9, 10), torch.uint8).data_ptr() == again


@pytest.mark.gpu
def test_a_gpu_makes_the_same_batch(store: Store) -> None:
    feed = Feed(store, CLIPS, p=4, k=2, seed=1)
    for step in range(3):
        here, there = feed.uint8(step, CPU), feed.uint8(step, torch.device("cuda"))
        for role in CLIPS:
            assert (here[role].int() - there[role].cpu().int()).abs().max() <= 1
