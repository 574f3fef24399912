"""What a file is, whatever its name says: told by how it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from airflow_provider_octopush.sources.errors import FilesError, RowsNotReadError

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
#: How a file begins → what it is. Signs that are letters are followed by what no text has.
_KINDS: Mapping[bytes, str] = {
    GZIP: "compressed by gzip: let its name end in .gz",
    b"PK\x03\x04": "a ZIP archive, or a workbook such as Excel's: save it as CSV, or compress it by gzip",
    b"\xd0\xcf\x11\xe0": "a workbook, such as Excel's: save it as CSV",
    b"PAR1\x15": "a Parquet file: let its name end in .parquet",
    b"Obj\x01": "an Avro file: write CSV, JSON lines or Parquet",
}
_LONGEST = max(map(len, _KINDS))


def check_text(opened: BinaryIO, name: str) -> None:
    """
    Check that a file may be text.

    :param opened: at its beginning, where it is again afterwards.
    :param name: of the file, for the message of an error.
    :raises FilesError: when it is something else; names what.
    """
    head = opened.read(_LONGEST)
    opened.seek(0)
    for sign, kind in _KINDS.items():
        if head.startswith(sign):
            raise FilesError(f"{name} is {kind}")


def check_begins(opened: BinaryIO, name: str, sign: bytes) -> None:
    """
    Check that a file begins as its name says, as far as it goes.

    :param opened: at its beginning, where it is again afterwards.
    :param name: of the file, for the message of an error.
    :param sign: with which bytes it has to begin.
    :raises FilesError: when it is something else.
    :raises RowsNotReadError: when it has less than these bytes.
    """
    head = opened.read(len(sign))
    opened.seek(0)
    if not sign.startswith(head):
        raise FilesError(f"{name} does not begin as its name says: rename it, or write it anew")
    if head != sign:
        raise RowsNotReadError(f"{name} ends in the middle: is it still being written?")
