"""Names from before the first release: who still writes one is told the new one."""

from __future__ import annotations

from collections.abc import Iterable

#: Of operators and decorators: the old name → what to write.
PARAMETERS = {
    "validate_only": "dry_run",
    "leavers": "remove_missing=True or remove_missing=False",
    "resend": "full_refresh",
    "without_plus": "number_format",
}

#: Of the connection's extras.
EXTRAS = {"retries": "request_retries"}


def new_name(names: Iterable[str], renamed: dict[str, str]) -> str | None:
    """
    Say what to write in place of an old name.

    :param names: what somebody wrote.
    :param renamed: :data:`PARAMETERS` or :data:`EXTRAS`.
    :return: None where there is no old name.
    """
    old = next((name for name in names if name in renamed), None)
    return None if old is None else f"{old} has a new name: write {renamed[old]}"
