"""TAESD's published weights, or others of its kind, from a folder or from the hub, as a run that transfers take the autoencoder from."""

import json
from pathlib import Path
from typing import Any

from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Experiment, TrainConfig
from gaitlab.methods.autoencoder import Autoencoder, AutoencoderConfig
from gaitlab.runs import checkpoint

HUB = "madebyollin/taesd"
CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
"""What diffusers writes beside each other."""
DOWNLOAD = f"put {CONFIG} and {WEIGHTS} of https://huggingface.co/{HUB} into a folder and name that"


def read_autoencoder(source: str, sha256: str = "") -> tuple[Experiment, Autoencoder, str]:
    """The autoencoder of a folder, or of a repository of the hub, as an experiment and its network; and the sha256 of its weights.

    ValueError if files are missing, of another kind or of another checksum than was given, or if tensors do not fit the config.
    """
    from safetensors.torch import load_file

    folder = _folder(source)
    found = checkpoint.sha256(folder / WEIGHTS)
    if sha256 and found != sha256.lower():
        raise ValueError(f"{folder / WEIGHTS} has the sha256 {found}, not {sha256}; download it again")
    config = _config(folder / CONFIG)
    method = config.build(0)
    try:
        weights = load_file(folder / WEIGHTS)
    except Exception as error:  # noqa: BLE001  (safetensors has a kind of its own for whatever is wrong with a file)
        raise ValueError(f"{folder / WEIGHTS} is no safetensors file: {error}") from None
    try:
        method.network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ValueError(f"{folder / WEIGHTS} is of another network than {CONFIG} beside it says: {first[:300]}") from None
    experiment = Experiment(name="taesd", method=config, data=DataConfig(root="taesd"), train=TrainConfig(steps=0))
    return experiment, method.eval(), found


def _folder(source: str) -> Path:
    if (folder := Path(source)).is_dir():
        if missing := [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]:
            raise ValueError(f"{folder} has no {missing[0]}; {DOWNLOAD}")
        return folder
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise ValueError(f"there is no folder {source}; {DOWNLOAD}")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=[CONFIG, WEIGHTS]))
    except Exception as error:  # noqa: BLE001  (of the network, of the hub, of the disk: each a kind of its own)
        raise ValueError(f"the hub does not give {source} ({type(error).__name__}); {DOWNLOAD}") from None


def _config(file: Path) -> AutoencoderConfig:
    """diffusers' description of an AutoencoderTiny."""
    try:
        plain: dict[str, Any] = json.loads(file.read_text("utf-8"))
        widths = {*plain["encoder_block_out_channels"], *plain["decoder_block_out_channels"]}
        if plain.get("_class_name") != "AutoencoderTiny" or len(widths) != 1 or plain["in_channels"] != plain["out_channels"]:
            raise ValueError(f"{file} describes no AutoencoderTiny of one width")
        return AutoencoderConfig(
            repeat=plain["in_channels"],
            latent_channels=plain["latent_channels"],
            width=widths.pop(),
            encoder_blocks=tuple(plain["num_encoder_blocks"]),
            decoder_blocks=tuple(plain["num_decoder_blocks"]),
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no config of diffusers' AutoencoderTiny: {error}") from None
