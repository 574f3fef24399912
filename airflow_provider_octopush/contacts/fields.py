"""The keys that ``columns`` may have: the fields of a contact, and the region."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_octopush.api import CONTACT_FIELDS

#: The key that ``columns`` may have besides the contact's fields: the country of a number in national form.
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
