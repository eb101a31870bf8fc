"""A method, a backbone, a protocol, an experiment and a sweep that gaitlab does not know: `--module strips` brings them in."""

from strips.experiments import ALL, PROTOCOLS, SWEEPS

__all__ = ["ALL", "PROTOCOLS", "SWEEPS"]
