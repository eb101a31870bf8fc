"""OpenGait's configurations and checkpoints.

`from_peer` reads a `model_cfg` and its losses, `load_checkpoint` a `.pt`, `load_state` puts the weights into our network and
`export_state` gives them back under OpenGait's names.
"""

from gaitlab.interop.opengait.models import UnknownModel, from_peer, peer_subjects
from gaitlab.interop.opengait.names import peer_names
from gaitlab.interop.opengait.weights import export_state, load_checkpoint, load_state

__all__ = ["UnknownModel", "export_state", "from_peer", "load_checkpoint", "load_state", "peer_names", "peer_subjects"]
