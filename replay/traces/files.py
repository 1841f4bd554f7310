"""Opens the file of a trace: bounded in size however it is compressed, and refused where its first bytes are not text."""

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def opened(path: Path, most_bytes: int = MOST_BYTES) -> Iterator[io.RawIOBase]:
    """The bytes of a text file, unpacked. Raises TraceError past `most_bytes`, and OSError for damaged data."""
    codec = CODECS.get(path.suffix.lower())
    too_much = TraceError(
        path, f"holds more than {most_bytes >> 20:,} MiB{' unpacked' if codec else ''}; cut it into parts"
    )
    with path.open("rb") as raw:
        if codec is None and path.stat().st_size > most_bytes:
            raise too_much
        unpacked = pa.PythonFile(raw, mode="r")
        yield _Bounded(unpacked if codec is None else pa.CompressedInputStream(unpacked, codec), most_bytes, too_much)


def beginning(path: Path) -> tuple[str, bool]:
    """Whole lines from the start of a text file, and whether they are all of it. Raises TraceError where it is not text."""
    with opened(path) as file:
        block = file.read(BLOCK_BYTES)
        whole = not file.read(1)
    for magic, why in NOT_TEXT.items():
        if block.startswith(magic):
            raise TraceError(path, why)
    if b"\0" in block:
        raise TraceError(path, "is not a text file")
    if not whole:
        block = block[: max(block.rfind(b"\n"), block.rfind(b"\r")) + 1]
    if not block.strip() and whole:
        raise TraceError(path, "is empty")
    if not block:
        raise TraceError(path, f"has a first line of more than {BLOCK_BYTES >> 20} MiB; is it a table?")
    return block.decode("utf-8-sig", "replace"), whole


class _Bounded(io.RawIOBase):
    """Raises an error once more bytes than allowed were read."""

    def __init__(self, inner: pa.NativeFile, most_bytes: int, error: TraceError) -> None:
        super().__init__()
        self._inner, self._left, self._error = inner, most_bytes, error

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data: bytes = self._inner.read(self._left + 1 if size < 0 else size)
        self._left -= len(data)
        if self._left < 0:
            raise self._error
        return data
