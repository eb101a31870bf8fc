"""Weights that diffusers keeps become a run; files that are none are refused in a line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gaitlab.interop.taesd import CONFIG, WEIGHTS, read_autoencoder
from gaitlab.methods.autoencoder import AutoencoderConfig

OURS = AutoencoderConfig(width=8, encoder_blocks=(0, 1, 1, 1), decoder_blocks=(1, 1, 1, 0), latent_channels=5)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """As diffusers itself writes it."""
    torch.manual_seed(0)
    OURS.build(0).network.save_pretrained(tmp_path / "taesd")
    return tmp_path / "taesd"


def test_it_is_the_same_network(published: Path) -> None:
    experiment, method, found = read_autoencoder(str(published))
    assert experiment.method == OURS
    torch.manual_seed(0)
    frames, twin = torch.rand(2, 1, 64, 64), OURS.build(0).eval()
    torch.manual_seed(0)
    for one, other in zip(method.network.parameters(), OURS.build(0).network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert method.latents(frames).shape == twin.latents(frames).shape == (2, 5, 8, 8)
    assert read_autoencoder(str(published), found.upper())[2] == found


def _cut(folder: Path) -> None:
    file = folder / WEIGHTS
    file.write_bytes(file.read_bytes()[:1000])


def _others(folder: Path) -> None:
    save_file({"encoder.layers.0.weight": torch.zeros(3)}, folder / WEIGHTS)


def _config(folder: Path, **changes: object) -> None:
    plain = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(plain | changes))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / WEIGHTS).unlink(), f"has no {WEIGHTS}; put .* into a folder and name that"),
        (lambda folder: (folder / CONFIG).unlink(), f"has no {CONFIG}"),
        (_cut, "is no safetensors file"),
        (_others, "is of another network than config.json beside it says: "),
        (lambda folder: _config(folder, latent_channels=4), "is of another network"),
        (lambda folder: _config(folder, _class_name="AutoencoderKL"), "describes no AutoencoderTiny"),
        (lambda folder: _config(folder, latent_channels=-3), "latent_channels"),
        (lambda folder: _config(folder, num_encoder_blocks=3), "is no config of diffusers' AutoencoderTiny"),
        (lambda folder: (folder / CONFIG).write_text("{"), "is no config of diffusers' AutoencoderTiny"),
        (lambda folder: (folder / CONFIG).write_text("[]"), "is no config of diffusers' AutoencoderTiny"),
    ],
)
def test_what_is_none(published: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(published)
    with pytest.raises(ValueError, match=said):
        read_autoencoder(str(published))


def test_another_checksum_and_another_place(published: Path) -> None:
    with pytest.raises(ValueError, match=r"has the sha256 .*, not 00ff; download it again"):
        read_autoencoder(str(published), "00ff")
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere; put config.json and"):
        read_autoencoder(str(published.parent / "nowhere"))
