"""One file per kind of raw data: a folder (or a generator) -> walks and their frames."""
