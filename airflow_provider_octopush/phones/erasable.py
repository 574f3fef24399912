"""A raw value → the numbers that may be removed for it, where a number too many would be somebody else's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from airflow_provider_octopush.phones.options import NumberFormat
from airflow_provider_octopush.phones.possible import Possible, PossibleNumbers, line_forms
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.phones.regions import checked_regions


class ErasableNumbers:
    """
    Reads the numbers that a value may stand for, if a row with it can have been sent.

    Nothing is guessed: no country but those of the regions and the countries, and no number within other text.

    :param default_region: region of numbers in national form, or several, as ``PhoneReader`` takes it.
    :param countries: more country codes in which rows were read, such as 33.
    :param number_format: how rows are read.
    :raises ValueError: when a region does not exist.
    """

    def __init__(
        self,
        default_region: str | Sequence[str] = (),
        countries: Iterable[int] = (),
        number_format: NumberFormat = "national",
    ) -> None:
        self._possible = PossibleNumbers(default_region, countries, number_format, guesses=False)
        codes = sorted(self._possible.countries)
        regions = [
            *checked_regions(default_region),
            *(r for c in codes for r in COUNTRY_CODE_TO_REGION_CODE.get(c, ())),
        ]
        formats: tuple[NumberFormat, ...] = (
            ("national",) if number_format == "national" else ("international", "national")
        )
        # The first one reads what has its country written.
        self._readers = [
            PhoneReader(region, "format", one) for one in formats for region in ((), *dict.fromkeys(regions))
        ]

    def read(self, value: object, region: object = None) -> Possible:
        """
        Read one value.

        :param value: text or a number, as a warehouse holds it.
        :param region: the region of this value, which then counts alone.
        """
        possible = self._possible.read(value, region)
        reason = possible.reason
        for reader in self._readers if possible.numbers else ():
            number = reader.read(value, region)
            if isinstance(number, PhoneReason):
                reason = reason or number
            elif not line_forms(int(number)).isdisjoint(possible.numbers):
                return possible
        return Possible(frozenset(), None, reason)
