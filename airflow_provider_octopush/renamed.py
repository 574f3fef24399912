"""Names from before the first release, which errors answer with the new ones."""

from __future__ import annotations

from collections.abc import Iterable

#: Parameters of operators and decorators: the old name → what to write.
PARAMETERS = {
    "validate_only": "dry_run",
    "leavers": "remove_missing=True or remove_missing=False",
    "resend": "full_refresh",
    "without_plus": "number_format",
}

#: The connection's extras, in the same way.
EXTRAS = {"retries": "request_retries"}


def new_name(names: Iterable[str], renamed: dict[str, str]) -> str | None:
    """
    Say what to write in place of an old name.

    :param names: the names that the Dag or the connection has.
    :param renamed: :data:`PARAMETERS` or :data:`EXTRAS`.
    :return: a sentence; None if there is no old name.
    """
    old = next((name for name in names if name in renamed), None)
    return None if old is None else f"{old} has a new name: write {renamed[old]}"
