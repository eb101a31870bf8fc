"""Files that are something else than their name says: what they are, and what to do with them."""

KINDS = (
    (b"version https://git-lfs", "a pointer of Git LFS: git lfs pull"),
    (b"/annex/objects/", "a pointer of git-annex: git annex get"),
    (b"\x1f\x8b", "compressed by gzip: gunzip it"),
    (b"BZh", "compressed by bzip2: bunzip2 it"),
    (b"\xfd7zXZ", "compressed by xz: unxz it"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"\x89HDF", "HDF5, as MATLAB and h5py write it: save the array by numpy.save"),
    (b"MATLAB 5.0", "a .mat file of MATLAB: save the array by numpy.save"),
    (b"<!DOCTYPE", "a web page: the download failed"),
    (b"<html", "a web page: the download failed"),
)


def foreign(content: bytes) -> str:
    """`is a pointer of Git LFS: git lfs pull`, or "" for bytes that nothing is known of. content: a file's beginning will do."""
    head = content[:64].lstrip().lower()
    return next((f"is {what}" for magic, what in KINDS if head.startswith(magic.lower())), "")
