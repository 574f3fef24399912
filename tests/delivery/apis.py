"""The API as a function: what arrives and what is answered, without a server in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from airflow_provider_octopush.delivery.delivery import Delivery
from airflow_provider_octopush.delivery.retry import Backoff
from airflow_provider_octopush.payloads import ContactItem

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
