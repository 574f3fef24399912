"""What a file is, whatever its name says: told by how it begins."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from contextlib import suppress
from typing import BinaryIO, NamedTuple

from airflow_provider_octopush.sources.errors import FilesError

GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
#: The second one is of files whose end is encrypted.
_PARQUET = (b"PAR1", b"PARE")

#: As many bytes are looked at.
_HEAD = 64


class _Kind(NamedTuple):
    """
    A kind of file.

    :param name: what it is, for a sentence that begins with the file's name.
    :param advice: what to do about it.
    :param signs: with which bytes it begins, one of these.
    """

    name: str
    advice: str
    signs: tuple[bytes, ...]


_OTHER_COMPRESSION = "unpack it, or compress it by gzip and let its name end in .gz"
_OTHER_COLUMNS = "write CSV, JSON lines or Parquet"
_COMPRESSED = _Kind("compressed by gzip", "let its name end in .gz", (GZIP,))
_WORKBOOK = _Kind("a workbook, such as Excel's", "save it as CSV", (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",))
_KINDS = (
    _COMPRESSED,
    _Kind("a ZIP archive", _OTHER_COMPRESSION, (_ZIP, b"PK\x05\x06")),
    _WORKBOOK,
    _Kind("compressed by bzip2", _OTHER_COMPRESSION, tuple(b"BZh%d1AY&SY" % level for level in range(1, 10))),
    _Kind("compressed by xz", _OTHER_COMPRESSION, (b"\xfd7zXZ\x00",)),
    _Kind("compressed by Zstandard", _OTHER_COMPRESSION, (b"\x28\xb5\x2f\xfd",)),
    _Kind("compressed by LZ4", _OTHER_COMPRESSION, (b"\x04\x22\x4d\x18",)),
    _Kind("a 7z archive", _OTHER_COMPRESSION, (b"7z\xbc\xaf\x27\x1c",)),
    _Kind("a Parquet file", "let its name end in .parquet", _PARQUET),
    _Kind("an Avro file", _OTHER_COLUMNS, (b"Obj\x01",)),
    _Kind("an ORC file", _OTHER_COLUMNS, (b"ORC",)),
)
# Control characters, which text has none of, but for tabs and the ends of lines and files.
_NOT_TEXT = frozenset((*range(9), 11, *range(14, 26), *range(27, 32)))


def check_text(opened: BinaryIO, name: str) -> None:
    """
    Check that a file may be text.

    :param opened: at its beginning, where it is again afterwards.
    :param name: of the file, for the message of an error.
    :raises FilesError: when it is something else; names what.
    """
    _refuse(_kind_of(opened), f"{name} is")


def check_gzip(opened: BinaryIO, name: str) -> None:
    """
    Check that a file is compressed by gzip, as far as it goes, and that what is in it may be text.

    :param opened: at its beginning, where it is again afterwards.
    :param name: of the file, for the message of an error.
    :raises FilesError: when it is something else; names what.
    """
    head = _head(opened)
    if not _may_become(head, (GZIP,)):
        _refuse(_kind_of(opened) or _plain(head), f"{name} is not compressed by gzip but")
    unpacked = b""
    # A file that ends early shows when it is read.
    with suppress(EOFError, zlib.error, OSError):
        unpacked = gzip.GzipFile(fileobj=opened).peek(_HEAD)[:_HEAD]
    opened.seek(0)
    kind = _kind_of_head(unpacked)
    if kind is _COMPRESSED:
        kind = kind._replace(name="compressed by gzip once more", advice="unpack it once")
    _refuse(kind, f"what is in {name} is")


def check_parquet(opened: BinaryIO, name: str) -> None:
    """
    Check that a file begins as Parquet does, as far as it goes.

    :param opened: at its beginning, where it is again afterwards.
    :param name: of the file, for the message of an error.
    :raises FilesError: when it is something else; names what.
    """
    head = _head(opened)
    if not _may_become(head, _PARQUET):
        _refuse(_kind_of(opened) or _plain(head), f"{name} is no Parquet file but")


def _head(opened: BinaryIO) -> bytes:
    head = opened.read(_HEAD)
    opened.seek(0)
    return head


def _may_become(head: bytes, signs: tuple[bytes, ...]) -> bool:
    # Room for a file that is still to come is full of zeros.
    return not head.strip(b"\x00") or any(head.startswith(sign[: len(head)]) for sign in signs)


def _plain(head: bytes) -> _Kind:
    return _Kind("plain text" if _is_text(head) else "something else", "let its name say what it is", ())


def _is_text(head: bytes) -> bool:
    return not _NOT_TEXT.intersection(head)


def _kind_of(opened: BinaryIO) -> _Kind | None:
    kind = _kind_of_head(_head(opened))
    if kind is not None and _ZIP in kind.signs:
        with suppress(zipfile.BadZipFile, OSError, ValueError):
            names = zipfile.ZipFile(opened).namelist()
            # Of Excel, and of OpenDocument.
            if any(name.startswith("xl/") or name == "content.xml" for name in names):
                kind = _WORKBOOK
        opened.seek(0)
    return kind


def _kind_of_head(head: bytes) -> _Kind | None:
    for kind in _KINDS:
        # A column may be called ORCID, or PAR1.
        if any(head.startswith(sign) and not (sign.isascii() and _is_text(head)) for sign in kind.signs):
            return kind
    return None


def _refuse(kind: _Kind | None, subject: str) -> None:
    if kind is not None:
        raise FilesError(f"{subject} {kind.name}: {kind.advice}")
