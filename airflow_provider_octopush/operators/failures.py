"""
The failures that end a task for good. Imported when a task runs, because their classes are defined beside the code that
raises them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_octopush.contacts.mapping import ColumnError
from airflow_provider_octopush.exceptions import (
    ContactsKeptError,
    LimitExceededError,
    MissingProviderError,
    OctopushConnectionConfigError,
    OctopushCredentialsError,
    OctopushRequestError,
    OptOutsMissingError,
    SnapshotFormatError,
    SnapshotLostError,
    SnapshotMismatchError,
    SnapshotMissingError,
    SnapshotSecretError,
    SnapshotUnreadableError,
    StalePlanError,
    SupersededError,
    TableFormatError,
    TooManyRejectedError,
)
from airflow_provider_octopush.limits import LimitError
from airflow_provider_octopush.operators.parameters import ParameterError
from airflow_provider_octopush.sources.errors import InstancesMissingError, UnusableSourceError

#: A retry of the task would fail with these again.
FINAL_ERRORS = (
    OctopushConnectionConfigError,
    OctopushCredentialsError,
    OctopushRequestError,
    TooManyRejectedError,
    ContactsKeptError,
    LimitExceededError,
    MissingProviderError,
    TableFormatError,
    OptOutsMissingError,
    SnapshotFormatError,
    SnapshotMismatchError,
    SnapshotMissingError,
    SnapshotLostError,
    SnapshotSecretError,
    SnapshotUnreadableError,
    StalePlanError,
    SupersededError,
    ColumnError,
    LimitError,
    UnusableSourceError,
    InstancesMissingError,
    ParameterError,
)


@contextmanager
def no_retry_for_final_errors() -> Iterator[None]:
    """
    Tell Airflow which failures a retry would only repeat.

    :raises AirflowFailException: in place of one of :data:`FINAL_ERRORS`, with the same text.
    """
    try:
        yield
    except FINAL_ERRORS as error:
        raise AirflowFailException(str(error)) from error
