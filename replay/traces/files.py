"""Opens the file of a trace: bounded in size however it is compressed, and refused where its first bytes are not text."""

import os
import stat
from pathlib import Path

import pyarrow as pa

from replay.traces.trace import TraceError

MOST_BYTES = 2 << 30  # of a table, unpacked
BLOCK_BYTES = 4 << 20  # read at once; the longest row
CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
NOT_TEXT = {
    b"\x1f\x8b": "is compressed with gzip; its name must end in .gz",
    b"BZh": "is compressed with bzip2; its name must end in .bz2",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard; its name must end in .zst",
    b"\xfd7zXZ": "is compressed with xz; compress it with gzip instead",
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet; save the table as CSV",
    b"PAR1": "is a Parquet file; its name must end in .parquet",
    b"\xff\xfe": "is encoded in UTF-16; save it in UTF-8",
    b"\xfe\xff": "is encoded in UTF-16; save it in UTF-8",
}


def check(path: Path) -> None:
    """Refuse what is not a regular file. Raises TraceError, and OSError where there is none."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise TraceError(path, "is a folder; name one file")
    if not stat.S_ISREG(status.st_mode):
        raise TraceError(path, "is not a regular file; save the trace to a file first")


def opened(path: Path) -> pa.NativeFile:
    """The bytes of a file, unpacked. Reading raises OSError for damaged data.

    Arrow's own file, since Arrow may still read ahead on a thread when Python ends.
    """
    codec = CODECS.get(path.suffix.lower())
    raw = pa.OSFile(os.fsencode(path))
    return raw if codec is None else pa.CompressedInputStream(raw, codec)


def check_size(path: Path, most_bytes: int = MOST_BYTES) -> None:
    """Refuse a file that unpacks to more. A packed one is unpacked for that, in no memory. Raises TraceError, and OSError."""
    packed = path.suffix.lower() in CODECS
    size = 0 if packed else path.stat().st_size
    if packed:
        with opened(path) as file:
            while size <= most_bytes and (read := len(file.read(BLOCK_BYTES))):
                size += read
    if size > most_bytes:
        raise TraceError(
            path, f"holds more than {most_bytes >> 20:,} MiB{' unpacked' if packed else ''}; cut it into parts"
        )


def content(path: Path, most_bytes: int) -> bytes:
    """A whole file, unpacked. Raises TraceError for one that unpacks to more, and OSError."""
    check_size(path, most_bytes)
    with opened(path) as file:
        return bytes(file.read())


def beginning(path: Path) -> tuple[str, bool]:
    """Whole lines from the start of a text file, and whether they are all of it. Raises TraceError for no text or too much."""
    check_size(path)
    with opened(path) as file:
        block = file.read(BLOCK_BYTES)
        whole = not file.read(1)
    for magic, why in NOT_TEXT.items():
        if block.startswith(magic):
            raise TraceError(path, why)
    if b"\0" in block:
        raise TraceError(path, "is not a text file; save the table as CSV, JSON lines or Parquet")
    if not whole:
        block = block[: max(block.rfind(b"\n"), block.rfind(b"\r")) + 1]
    if not block.strip() and whole:
        raise TraceError(path, "is empty")
    if not block:
        raise TraceError(path, f"has a first line of more than {BLOCK_BYTES >> 20} MiB; is it a table?")
    return block.decode("utf-8-sig", "replace"), whole
