"""OpenGait's configurations and checkpoints.

`open_run` makes an experiment and a trained network of a YAML and its `.pt`, `read_experiment` an experiment of the YAML alone.
`from_peer` reads a `model_cfg` and its losses, `load_checkpoint` a `.pt`, `load_state` puts the weights into our network and
`export_state` gives them back under OpenGait's names.
"""

from gaitlab.interop.opengait.models import UnknownModel, from_peer, peer_subjects
from gaitlab.interop.opengait.names import peer_names, under_peer_names
from gaitlab.interop.opengait.recipe import Recipe, read_experiment, read_recipe
from gaitlab.interop.opengait.runs import PeerRun, open_run, read_run, write_run
from gaitlab.interop.opengait.weights import export_state, load_checkpoint, load_state

__all__ = [
    "PeerRun",
    "Recipe",
    "UnknownModel",
    "export_state",
    "from_peer",
    "load_checkpoint",
    "load_state",
    "open_run",
    "peer_names",
    "peer_subjects",
    "read_experiment",
    "read_recipe",
    "read_run",
    "under_peer_names",
    "write_run",
]
