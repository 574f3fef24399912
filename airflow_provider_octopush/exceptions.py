"""What can go wrong between this provider and Octopush: one class for each thing a caller would do next."""

from __future__ import annotations

from weakref import WeakKeyDictionary

#: What an error says if Octopush's own words are neither shown nor written.
SET_REJECTS_PATH = (
    "Octopush's own words may quote contacts, so they are not shown: set rejects_path to have them in a file"
)


class FinalError(Exception):
    """A retry of the task would only fail again: its operator tells Airflow so."""


class OctopushError(Exception):
    """
    Base of everything that this provider raises about Octopush.

    The text never holds the login, the key, or a value of a contact. Neither does an attribute.

    :param text: what happened, to what, and the next step.
    :param status_code: the HTTP status of the answer; None when there was no answer.
    :param code: the API's own ``code``, from 0 to 999; None if it had none, or one that may be something else.
    :param message: the API's own ``message``, if the request held no contacts; else None, and None if there was none.
    :param full_message: the API's own ``message``, if the request held contacts: for :meth:`full_message`.
    :param retry_after: seconds that the server asked to wait; None when it did not ask.
    """

    def __init__(
        self,
        text: str,
        *,
        status_code: int | None = None,
        code: int | None = None,
        message: str | None = None,
        full_message: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status_code = status_code
        self.code = code
        self.message = message
        self.retry_after = retry_after
        if full_message is not None:
            _full_messages[self] = full_message

    def full_message(self) -> str | None:
        """
        Return the API's own ``message`` about contacts. It is for the rejects file, which holds personal data anyway.

        The message may quote the contacts that were sent. So it is not an attribute: it does not show in a log or in a
        tool that looks into exceptions, is neither copied nor pickled, and is gone with the exception.

        :return: text that can be stored anywhere, of at most 32,000 characters; None when the answer had no message, or
            when the request held no contacts.
        """
        return _full_messages.get(self)

    def add_to_text(self, sentence: str) -> None:
        """Add a sentence to the text: where to look for more."""
        self.args = (f"{self}. {sentence}",)


_full_messages: WeakKeyDictionary[OctopushError, str] = WeakKeyDictionary()


class OctopushConnectionConfigError(OctopushError, FinalError, ValueError):
    """The Airflow connection is incomplete or wrong: correct it, a retry changes nothing."""


class OctopushCredentialsError(OctopushError, FinalError):
    """Octopush refused the login or the key: correct the connection, a retry changes nothing."""


class OctopushRequestError(OctopushError, FinalError):
    """Octopush refused this request (a 4xx): change what is sent, a retry changes nothing."""


class OctopushRateLimitError(OctopushError):
    """Octopush asked to slow down (429): wait :attr:`retry_after` seconds, then send the same again."""


class OctopushServerError(OctopushError):
    """The server or the network failed, and whether the request was carried out is not known: send it again."""


class OctopushAbortedError(OctopushError):
    """``OctopushHook.abort`` ended the request: its caller knows what comes next."""


class OctopushAnswerError(OctopushError):
    """A request succeeded, but its answer is not the documented one: the request's outcome is not known."""


class TooManyRejectedError(OctopushError, FinalError):
    """More rows were rejected than ``max_rejected`` allows: correct the rows, or allow more."""


class LimitExceededError(OctopushError, FinalError):
    """More contacts would be added or removed than a limit allows: check the query, or allow more. Nothing was sent."""


class ContactsKeptError(OctopushError, FinalError):
    """Contacts should have been removed but were not: read why, then allow it or correct the rows."""


class OptOutsMissingError(OctopushError, FinalError):
    """Too few opt-outs: look at the table that they are loaded into. Nothing was sent or removed."""


class SnapshotError(OctopushError):
    """Base of the errors of snapshots: nothing is sent or removed by a snapshot that is in doubt."""


class SnapshotUnreadableError(SnapshotError, FinalError):
    """A snapshot is damaged: restore it, or delete it and begin anew with ``full_refresh``."""


class SnapshotLostError(SnapshotError, FinalError):
    """A task that has run before finds no snapshot: put it back, or say that the list begins anew."""


class SnapshotMissingError(SnapshotError, FinalError):
    """There is no snapshot where one was looked for: check the path."""


class SnapshotMismatchError(SnapshotError, FinalError):
    """A snapshot is of another account or list, or another task writes it: give this task a path of its own."""


class SnapshotFormatError(SnapshotError, FinalError):
    """A snapshot was written by another version of this provider: upgrade, or begin anew; a retry changes nothing."""


class SnapshotSecretError(SnapshotError, FinalError):
    """None of the connection's secrets opens the snapshot: put back the one that it was written with."""


class SupersededError(SnapshotError, FinalError):
    """A newer run of the task took over the snapshot, and reads the whole audience: there is nothing left to do."""


class SnapshotConflictError(SnapshotError):
    """Another run has replaced the snapshot, or an erasure met a run: allow one run at a time, then try again."""


class StalePlanError(SnapshotError, FinalError):
    """The list has changed since its plan was made: make and approve a new plan."""


class OlderRunError(SnapshotError):
    """A later run wrote the snapshot: there is nothing left to do."""


class MissingProviderError(FinalError, ValueError):
    """The package that opens such a path is not installed: install the one that the message names."""


class TableFormatError(FinalError, ValueError):
    """
    The files belong to a table that an engine keeps, and may hold rows that were deleted: read the table, not its
    files.
    """
