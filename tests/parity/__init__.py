"""Golden vectors of the field's reference implementation, run through gaitlab's public API: `python -m tests.parity [DIR]`."""
