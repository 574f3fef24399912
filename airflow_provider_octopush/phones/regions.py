"""Reads names of regions, and says what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_provider_octopush.phones.characters import plain
from airflow_provider_octopush.phones.libphonenumber import REGIONS, country_code_of
from airflow_provider_octopush.phones.missing import stands_for_nothing
from airflow_provider_octopush.text import is_missing


def region_code(region: object) -> str:
    """Return the name of a region as libphonenumber writes it."""
    text = plain(str(region)).strip()
    return text.upper() if text.isascii() else text  # "ß" would become "SS"


def is_region(region: object) -> bool:
    """Tell whether a value names a region that has phone numbers."""
    return isinstance(region, str) and region_code(region) in REGIONS


def country_codes_of(regions: Iterable[str]) -> set[int]:
    """Return the country codes of regions; those that do not exist have none."""
    return {int(country_code_of(region_code(region))) for region in regions if is_region(region)}


def names_nothing(region: object) -> bool:
    """Tell whether a value means that there is no region. (``NA`` is Namibia: try :func:`is_region` first.)"""
    return stands_for_nothing(plain(region)) if isinstance(region, str) else is_missing(region)


def checked_regions(default_region: str | Sequence[str]) -> list[str]:
    """
    Check ``default_region``.

    :param default_region: a region, or several.
    :raises ValueError: when one does not exist; the message says what to write.
    """
    is_list = isinstance(default_region, Iterable) and not isinstance(default_region, str)
    regions: Iterable[object] = default_region if is_list else [default_region]
    return [_checked(region) for region in regions]


def _checked(region: object) -> str:
    if not is_region(region):
        raise ValueError(f"default_region is {region!r}, which is not a country code: {_what_to_write(region)}")
    return region_code(region)


def _what_to_write(region: object) -> str:
    text = str(region).strip()
    if text.upper() == "UK":
        return "write 'GB' for the United Kingdom"
    if "," in text or text.startswith("["):
        return (
            "write several as a list, such as ['FR', 'RE']; a template gives a list in a Dag with "
            "render_template_as_native_obj=True"
        )
    return "write a code of two letters, such as 'FR', or a list of them"
