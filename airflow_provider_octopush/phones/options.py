"""The choices in how numbers are read."""

from __future__ import annotations

from typing import Literal

#: How sure a number must be; :class:`~airflow_provider_octopush.phones.reader.PhoneReader` says what each means.
PhoneCheck = Literal["format", "valid", "mobile"]

#: How a number without a plus is read: as one of a given region, or as one that begins with its country code.
NumberFormat = Literal["national", "international"]
