"""A DataFrame → a contact or a rejection for each of its rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, repeat
from typing import TYPE_CHECKING, Any

from airflow_provider_octopush.api import CONTACT_FIELDS
from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.contacts.csv_injection import unescape_formulas
from airflow_provider_octopush.contacts.fields import REGION, check_fields
from airflow_provider_octopush.contacts.rejection import ABOUT_THE_ROW, Rejection
from airflow_provider_octopush.exceptions import FinalError
from airflow_provider_octopush.outcomes import Outcome
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.phones.regions import country_codes_of
from airflow_provider_octopush.text import (
    NAMED_BY_FIRST_LINE,
    decode,
    describe_foreign,
    fold_name,
    may_be_a_value,
    to_text,
)

if TYPE_CHECKING:
    import pandas as pd

    from airflow_provider_octopush.phones.possible import PossibleNumbers
    from airflow_provider_octopush.phones.reader import PhoneReader
    from airflow_provider_octopush.phones.reasons import PhoneReason

log = logging.getLogger(__name__)

_TEXT_OR_NONE = frozenset((str, type(None)))


class ColumnError(FinalError, LookupError):
    """The rows lack a column that is asked for: correct ``columns`` or the query, a retry changes nothing."""


class RowReader:
    """
    Reads the columns of rows that feed contact fields.

    :param columns: contact field → name of the column that feeds it. A field that is not named is fed by the column of
        its own name, if there is one. Names are compared exactly first, then without regard to upper and lower case
        and to how accents are encoded.
    :param fields: the fields to read.
    :raises ValueError: when ``columns`` names a field that Octopush does not have.
    :raises ColumnError: when a value is not a name.
    """

    def __init__(self, columns: Mapping[str, str], fields: Sequence[str]) -> None:
        for field, name in columns.items():
            if not isinstance(name, str):
                raise ColumnError(
                    f"columns says that {name!r} ({type(name).__name__}) feeds {field}: write the name of a column"
                )
        check_fields(columns)
        self._columns = columns
        self._unused_columns: set[str] = set()
        self.fields = tuple(fields)

    def read(self, frame: pd.DataFrame) -> dict[str, list[Any]]:
        """
        Read each field for which the frame has a column.

        In rows of a rejects file, the escaping of formulas is undone.

        :param frame: rows; more columns than are needed do no harm.
        :return: field → its values. ``phone_number`` is always there.
        :raises ColumnError: when a column that is asked for is not there.
        """
        names = [str(name) for name in frame.columns]
        positions = self._positions(names, may_be_cells=frame.attrs.get(NAMED_BY_FIRST_LINE, False))
        read = frame.to_numpy(dtype=object).T.tolist()
        columns = {field: read[position] for field, position in positions.items()}
        if set(ABOUT_THE_ROW) <= set(names):
            columns = {
                field: [unescape_formulas(value) if isinstance(value, str) else value for value in values]
                for field, values in columns.items()
            }
        for field in ("phone_number", REGION):
            if field in columns:
                columns[field] = decode(columns[field])
        return columns

    def _positions(self, names: list[str], *, may_be_cells: bool) -> dict[str, int]:
        positions = {}
        # If no name is known, the line with the names may be missing, and these are cells of a row.
        may_be_cells = may_be_cells and not any(places_of(self._columns.get(one, one), names) for one in self.fields)
        for field in self.fields:
            asked_for = field in self._columns or field == "phone_number"
            name = self._columns.get(field, field)
            found = places_of(name, names)
            there = _listed(names, may_be_values=may_be_cells)
            if len(found) > 1:
                raise ColumnError(
                    f"{field} is fed by column {name!r}, but there are {len(found)} columns of that name; the columns "
                    f"are {there}: give each its own name in the query"
                )
            if not found and asked_for:
                raise ColumnError(
                    f"{field} is fed by column {name!r}, which is not there; the columns are {there}: "
                    f"say which one it is with columns={{{field!r}: …}}"
                )
            if found:
                positions[field] = found[0]
        unused = [
            name for i, name in enumerate(names) if i not in positions.values() and name not in self._unused_columns
        ]
        if unused:
            self._unused_columns.update(unused)
            log.info("columns that feed no field of a contact: %s", _listed(unused))
        return positions


class ContactMapper:
    """
    Turns rows into contacts.

    :param columns: contact field → name of the column that feeds it, as :class:`RowReader` takes it. ``region`` names
        the column with each number's region; it is read only when it is named.
    :param phone_reader: turns the column of ``phone_number`` into E.164.
    :param possible: tells which numbers a rejected row may be about; None if that is not asked for.
    :raises ValueError: when ``columns`` names a field that Octopush does not have.
    :raises ColumnError: when a value is not a name.
    """

    def __init__(
        self, columns: Mapping[str, str], phone_reader: PhoneReader, possible: PossibleNumbers | None = None
    ) -> None:
        #: The fields read from each row, in the order of :attr:`Contact.values`.
        self.fields = fields_of(columns)
        self._rows = RowReader(columns, self.fields)
        self._phone_reader = phone_reader
        self._possible = possible
        #: Country codes of the regions that rows have named so far.
        self.countries: set[int] = set()
        self._regions: set[str] = set()

    def map(self, frame: pd.DataFrame, first_row: int) -> tuple[list[Contact], list[Rejection]]:
        """
        Turn each row into a contact, or into a rejection that says why it cannot be one.

        :param frame: rows; more columns than are needed do no harm.
        :param first_row: the number of the frame's first row in the whole input.
        :return: the contacts and the rejections, both in the order of the rows.
        :raises ColumnError: when a column that is asked for is not there.
        """
        read = self._rows.read(frame)
        nothing = [None] * len(frame)
        columns = [read.get(field, nothing) for field in self.fields]
        regions = read.get(REGION, nothing)
        new = {region for region in regions if isinstance(region, str)} - self._regions
        if new:
            self._regions |= new
            self.countries |= country_codes_of(new)
        # Column by column, with one call for all rows where possible: this path may be taken by millions of rows.
        numbers: list[Any] = self._phone_reader.read_all(columns[0], regions)
        texts, errors = {}, set()
        for field, column in zip(CONTACT_FIELDS[1:], columns[1:], strict=False):
            if field in read:
                texts[field], has_errors = _texts(column)
                if has_errors:
                    errors.add(field)
        rows: Iterable[int] = range(first_row, first_row + len(frame))
        values: Iterable[tuple[object, ...]] = zip(*columns, strict=True)
        reasons = _reasons(numbers, columns[0], {field: texts[field] for field in texts if field in errors})
        rejections = []
        if reasons:
            all_values = list(values)
            rejections = [
                Rejection(
                    first_row + i,
                    Outcome.INVALID,
                    reason,
                    all_values[i],
                    numbers=self._numbers(numbers[i], columns[0][i], regions[i]),
                )
                for i, reason in sorted(reasons.items())
            ]
            good = [i not in reasons for i in range(len(frame))]
            rows, values = compress(rows, good), compress(all_values, good)
            numbers = list(compress(numbers, good))
            texts = {field: list(compress(column, good)) for field, column in texts.items()}
        payloads = map(ContactPayload, numbers, *(texts.get(field, repeat(None)) for field in CONTACT_FIELDS[1:]))
        return list(map(Contact, rows, map(int, numbers), payloads, values)), rejections

    def _numbers(self, number: str | PhoneReason, phone: object, region: object) -> frozenset[int]:
        """Return every number that a rejected row may be about."""
        if self._possible is None:
            return frozenset()
        return frozenset([int(number)]) if isinstance(number, str) else self._possible.read(phone, region).from_anywhere


def fields_of(columns: Mapping[str, str]) -> Sequence[str]:
    """Return the fields read from rows of contacts, with the region if ``columns`` names it."""
    return (*CONTACT_FIELDS, REGION) if REGION in columns else CONTACT_FIELDS


def places_of(name: str, names: Sequence[str]) -> list[int]:
    """
    Find a column: by its exact name first, then without regard to upper and lower case and to how accents are encoded.

    :return: the positions of all columns with that name.
    """
    exact = [place for place, other in enumerate(names) if other == name]
    return exact or [place for place, other in enumerate(names) if fold_name(other) == fold_name(name)]


def _listed(names: Sequence[str], *, may_be_values: bool = False) -> str:
    """List columns; if one of the names can be a value, such as the first customer's number, show none."""
    if may_be_values or any(map(may_be_a_value, names)):
        return f"{len(names)}, not shown because they may be values (is the row with the names missing?)"
    return ", ".join(map(repr, names)) or "none"


def _texts(values: Sequence[Any]) -> tuple[list[str | ValueError | None], bool]:
    """
    Write each value as text; if it has no text form, the error that says why is in its place.

    :return: the texts, and whether there is an error among them.
    """
    if _TEXT_OR_NONE.issuperset(map(type, values)):
        # Names and tiers repeat, so a set has less to check. Printable text is valid Unicode.
        of_value = {
            value: value if value and value.isprintable() and not value.isspace() else _text(value)
            for value in set(values)
        }
        return list(map(of_value.__getitem__, values)), _has_errors(of_value.values())
    texts = list(map(_text, values))
    return texts, _has_errors(texts)


def _has_errors(texts: Iterable[str | ValueError | None]) -> bool:
    return any(issubclass(kind, ValueError) for kind in set(map(type, texts)))


def _reason(why: PhoneReason, phone: object) -> str:
    return f"{why.value}: {describe_foreign(phone)}" if why.name == "NOT_TEXT" else str(why.value)


def _text(value: object) -> str | ValueError | None:
    try:
        return to_text(value)
    except ValueError as error:
        return error


def _reasons(
    numbers: Sequence[str | PhoneReason],
    phones: Sequence[object],
    texts: Mapping[str, Sequence[str | ValueError | None]],
) -> dict[int, str]:
    """
    Return why rows cannot be sent.

    :param texts: the columns with errors among their texts.
    :return: position → reason, the number's before that of any other field.
    """
    reasons = {}
    if set(map(type, numbers)) != {str}:
        reasons = {i: _reason(number, phones[i]) for i, number in enumerate(numbers) if not isinstance(number, str)}
    for field, column in texts.items():
        for i, text in enumerate(column):
            if isinstance(text, ValueError):
                reasons.setdefault(i, f"{field}: {text}")
    return reasons
