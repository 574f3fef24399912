"""The names that ``columns`` may have: the fields of a contact, and what is read beside them."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_octopush.api import CONTACT_FIELDS

#: What ``columns`` may name beside the contact's fields: the country that a number in national form is of.
REGION = "region"


def check_fields(columns: Mapping[str, str]) -> None:
    """
    Check the names of fields in ``columns``.

    :param columns: contact field → name of the column that feeds it.
    :raises ValueError: when it names a field that Octopush does not have.
    """
    unknown = [field for field in columns if field not in (*CONTACT_FIELDS, REGION)]
    if unknown:
        raise ValueError(
            f"columns names {', '.join(map(repr, unknown))}, which is not a field of a contact: "
            f"write one of {', '.join((*CONTACT_FIELDS, REGION))}, and the column's name as its value"
        )
