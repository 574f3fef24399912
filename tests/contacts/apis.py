"""The API as a function: what arrives and what is answered, without a server in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from airflow_provider_octopush.api import ContactItem
from airflow_provider_octopush.contacts.delivery import Delivery
from airflow_provider_octopush.contacts.retry import Backoff

Payloads = Sequence[Mapping[str, str]]
Items = list[dict[str, Any]]


def delivery_to(api: Callable[[Payloads], Items], backoff: Backoff) -> Delivery:
    """
    Make a delivery to such a function.

    :param api: is given the contacts as the API would read them, and returns items.
    """

    def post(body: bytes) -> list[ContactItem]:
        return msgspec.convert(api(msgspec.json.decode(body)), list[ContactItem])

    return Delivery(msgspec.json.encode, post, backoff)
