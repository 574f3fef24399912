"""Rows of opt-outs → every number that each row may stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_octopush.contacts.fields import REGION
from airflow_provider_octopush.contacts.mapping import ColumnError, RowReader, places_of
from airflow_provider_octopush.phones.possible import Possible, PossibleNumbers
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.phones.regions import is_region, names_nothing
from airflow_provider_octopush.phones.written import ENOUGH_FOR_A_NUMBER
from airflow_provider_octopush.text import decode, may_be_a_value

if TYPE_CHECKING:
    import pandas as pd

#: The fields read from each row.
FIELDS = ("phone_number", REGION)


class OptOut(NamedTuple):
    """
    An opt-out.

    :param values: the number and the region, as they were read.
    :param possible: the numbers that they may stand for.
    """

    values: tuple[object, ...]
    possible: Possible


#: What a value of another column may be that has digits, and is no phone number.
_SOMETHING_ELSE = frozenset((PhoneReason.MISSING, PhoneReason.DATE, PhoneReason.ADDRESS, PhoneReason.NOT_WHOLE))

_WORD = re.compile(r"[^\W\d_]+")
#: Letters among digits, or just in front of the first one, if that is no zero.
_LETTERS_OF_A_KEY = re.compile(r"\d[^\W\d_]+\d|\A\D*[^\W\d_][1-9]")
#: A key has no plus before so many digits.
_PLUS_AND_NUMBER = re.compile(rf"\+(?:[^\w+]*\d){{{ENOUGH_FOR_A_NUMBER}}}")
#: A mistyped number, and one that nothing else tells the country of, begins with a zero or a plus as well.
_LIKE_A_NUMBER = re.compile(r"[^\w+]*[+0]")

#: Why a value that has a number is none.
_A_NUMBER = (None, PhoneReason.EXTENSION, PhoneReason.TWO_NUMBERS)


def _may_be_a_number(possible: Possible) -> bool:
    if possible.reason in _SOMETHING_ELSE:
        return False
    # Fewer digits of a country that is not known are the key of a table, or an amount.
    return bool(possible.numbers) or len(possible.elsewhere or "") >= ENOUGH_FOR_A_NUMBER


class OptOutReader:
    """
    Reads rows of opt-outs by the same columns as the rows of contacts.

    The number is in the column that feeds ``phone_number``, or in the only column beside the region's. The region is in
    the column that ``columns`` names for it, or in one called ``region``, which is read whenever it is there.

    :param columns: the operator's ``columns``, as for the rows of contacts.
    :param possible: reads numbers.
    :param source: the parameter that the rows come from, for error messages.
    """

    def __init__(self, columns: Mapping[str, str], possible: PossibleNumbers, source: str) -> None:
        self._columns = columns
        self._possible = possible
        # Many keys would be numbers of a country that nothing else names.
        self._without_guesses = possible.without_guesses() if possible.countries else possible
        self._source = source

    def read(self, frame: pd.DataFrame) -> list[OptOut]:
        """
        Read each row.

        :raises ColumnError: when it is not clear which column holds the numbers; the message names the source.
        """
        columns = self._fed_by([str(name) for name in frame.columns])
        read = RowReader(columns, FIELDS).read(frame)
        phones = read["phone_number"]
        regions = read.get(REGION, [None] * len(phones))
        found = [
            OptOut((phone, region), self._possible.read(phone, region))
            for phone, region in zip(phones, regions, strict=True)
        ]
        others = [place for place, name in enumerate(frame.columns) if str(name) not in columns.values()]
        # A union of two sources may give columns in another order.
        all_others = [place for place, name in enumerate(frame.columns) if str(name) != columns["phone_number"]]
        for row, one in enumerate(found):
            region = one.values[1] if is_region(one.values[1]) else None
            looked_at = others if region is not None or names_nothing(one.values[1]) else all_others
            if not looked_at:
                continue
            has_digits = _may_be_a_number(one.possible)
            if has_digits and not self._may_be_a_key(one.values[0], region):
                continue
            values = decode([frame.iat[row, place] for place in looked_at])
            found[row] = self._in_another_column(one, values, region, is_beside_key=has_digits)
        return found

    def _may_be_a_key(self, value: object, region: object) -> bool:
        """Whether a value with digits is no number that can be read, and is not written like one."""
        read, text = self._without_guesses.read, str(value)
        reason = read(value, region).reason
        if reason is None or _PLUS_AND_NUMBER.search(text):
            return False
        if reason is not PhoneReason.EXTENSION and _LETTERS_OF_A_KEY.search(text):
            return True
        if reason is PhoneReason.LETTERS:
            # Beside words, such as "home" or "STOP 20/11/2026", it is a number.
            return read(_WORD.sub(" ", text), region).reason not in _A_NUMBER
        return not _LIKE_A_NUMBER.match(text)

    def _in_another_column(
        self, none: OptOut, values: Sequence[object], region: object, *, is_beside_key: bool
    ) -> OptOut:
        """Look for a number in the other columns of a row without one: rows of two sources may name it differently."""
        numbers = [
            (value, possible)
            for value, possible in [(value, self._possible.read(value, region)) for value in values]
            # A number may stand among other text, and a key has no blanks.
            if _may_be_a_number(possible)
            and (not is_beside_key or len(str(value).split()) > 1 or not self._may_be_a_key(value, region))
        ]
        if not numbers:
            return none
        found = [none.possible, *(possible for _, possible in numbers)]
        together = frozenset(number for possible in found for number in possible.numbers)
        elsewhere = " ".join(possible.elsewhere for possible in found if possible.elsewhere) or None
        return OptOut((numbers[0][0], none.values[1]), Possible(together, elsewhere, PhoneReason.ANOTHER_COLUMN))

    def _fed_by(self, names: Sequence[str]) -> dict[str, str]:
        regions = places_of(self._columns.get(REGION, REGION), names) or places_of(REGION, names)
        region = self._one_of([names[place] for place in regions], REGION)
        asked_for = self._columns.get("phone_number", "phone_number")
        others = [name for name in names if name != region]
        found = [others[place] for place in places_of(asked_for, others)]
        # Without a row of names, the first opt-out would be the name.
        only = [name for name in others if len(others) == 1 and not may_be_a_value(name)]
        name = self._one_of(found or only, "phone_number")
        if name is None:
            raise ColumnError(
                f"{self._source} gives {len(names)} columns, but none of them is {asked_for!r}, which feeds "
                f"phone_number: give the numbers that name there, as in SELECT number AS {asked_for}, or give only "
                "one column"
            )
        return {"phone_number": name} if region is None else {"phone_number": name, REGION: region}

    def _one_of(self, found: Sequence[str], field: str) -> str | None:
        if len(found) > 1:
            raise ColumnError(
                f"{self._source} gives {len(found)} columns {found[0]!r}, which feeds {field}: give each column its "
                "own name there"
            )
        return next(iter(found), None)
