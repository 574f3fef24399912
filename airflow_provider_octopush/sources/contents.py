"""Tells what a file is by its first bytes, whatever its name says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from airflow_provider_octopush.sources.errors import FilesError, RowsNotReadError

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
#: A file's first bytes → what it is. Signs made of letters include a byte that no text has.
_KINDS: Mapping[bytes, str] = {
    GZIP: "compressed with gzip: give it a name that ends in .gz",
    b"PK\x03\x04": "a ZIP archive, or a workbook such as Excel's: save it as CSV, or compress it with gzip",
    b"\xd0\xcf\x11\xe0": "a workbook, such as Excel's: save it as CSV",
    b"PAR1\x15": "a Parquet file: give it a name that ends in .parquet",
    b"Obj\x01": "an Avro file: write CSV, JSON lines or Parquet",
}
_LONGEST = max(map(len, _KINDS))


def check_text(opened: BinaryIO, name: str) -> None:
    """
    Check that a file may be text.

    :param opened: at its beginning, where it is again afterwards.
    :param name: name of the file, for error messages.
    :raises FilesError: when it is something else; the message says what.
    """
    head = opened.read(_LONGEST)
    opened.seek(0)
    for sign, kind in _KINDS.items():
        if head.startswith(sign):
            raise FilesError(f"{name} is {kind}")


def check_begins(opened: BinaryIO, name: str, sign: bytes) -> None:
    """
    Check that a file begins as its name says.

    :param opened: at its beginning, where it is again afterwards.
    :param name: name of the file, for error messages.
    :param sign: the bytes that it must begin with.
    :raises FilesError: when it is something else.
    :raises RowsNotReadError: when it is shorter than these bytes.
    """
    head = opened.read(len(sign))
    opened.seek(0)
    if not sign.startswith(head):
        raise FilesError(f"the content of {name} is not what its suffix says: rename it, or write it again")
    if head != sign:
        raise RowsNotReadError(f"{name} ends in the middle: is it still being written?")
