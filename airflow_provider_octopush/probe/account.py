"""The account that is asked: which requests are allowed, what was seen on the way, and what is left to clean up."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from airflow_provider_octopush.exceptions import (
    OctopushAnswerError,
    OctopushCredentialsError,
    OctopushError,
    OctopushRequestError,
    OctopushServerError,
)
from airflow_provider_octopush.hooks.answers import check_carried_out, raw_items, refusal
from airflow_provider_octopush.hooks.bodies import ContactLike, contacts_body, deletion_body, list_body
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.hooks.redaction import redacted
from airflow_provider_octopush.hooks.transport import Answer

#: The prefix of the probe's lists. No other list is ever deleted.
PREFIX = "airflow-probe-"

#: How often the deletion of a list is tried, how many seconds it may take, and how many pass before the next try.
_TRIES = 3
_DELETION_SECONDS = 15.0
_USUAL_WAIT, _LONGEST_WAIT = 1.0, 60.0

#: The most requests that cleaning up takes: there are two lists.
CLEANING_REQUESTS = 2 * _TRIES

_LIMIT_HEADER = re.compile(r"(?:[a-z]+-)*rate-?limit(?:-[a-z]+)*|retry-after|(?:[a-z]+-)*quota(?:-[a-z]+)*", re.ASCII)


class UntoldError(Exception):
    """A question that has no answer, and the reason."""


class InterruptedProbeError(OctopushError):
    """The probe was told to end."""


class Reply(NamedTuple):
    """
    The outcome of a request to ``contact/create``.

    :param status_code: the HTTP status code.
    :param code: the API's own code, if the request was refused.
    :param items: the answer's items; none if the request was refused.
    :param seconds: how many seconds it took.
    """

    status_code: int
    code: int | None
    items: list[dict[str, Any]]
    seconds: float

    @property
    def is_accepted(self) -> bool:
        """Whether it was accepted."""
        return self.status_code < 300

    def accepted(self) -> Reply:
        """
        Return itself.

        :raises UntoldError: when it was refused.
        """
        if not self.is_accepted:
            raise UntoldError(f"refused with HTTP {self.status_code}")
        return self

    def of(self, number: str) -> list[dict[str, Any]]:
        """Return the items of a number, in whatever form it came back."""
        return [item for item in self.items if digits_of(item["phone_number"]) == digits_of(number)]

    def status_of(self, number: str) -> str | None:
        """Return the answer's status of a number; None if it has none."""
        return next((item["status"] for item in self.of(number)), None)


class Account:
    """
    Sends the probe's requests.

    It deletes contacts only from its own list, and only if the creation of that list was accepted: if a list is not
    there, Octopush may delete from the whole account. It deletes only its own lists.

    :param hook: the hook that asks.
    :param cleaning_hook: the hook that cleans up; another one, because :meth:`interrupt` ends the first.
    :param numbers: the numbers of the person who asks.
    :param list_name: the probe's own list; its name begins with :data:`PREFIX`.
    """

    def __init__(self, hook: OctopushHook, cleaning_hook: OctopushHook, numbers: Sequence[str], list_name: str) -> None:
        self.list_name = list_name
        self.unknown_list_name = f"{list_name}-u"
        #: Every status that the person's numbers got, and the headers that show a limit.
        self.statuses: set[str] = set()
        self.limit_headers: dict[str, str] = {}
        self.interrupted_by: int | None = None
        self._hook = hook
        self._cleaning_hook = cleaning_hook
        self._digits = {digits_of(number) for number in numbers}
        self._may_delete_contacts = False
        # The lists that may be there, and those that a request without an answer may bring back.
        self._lists: set[str] = set()
        self._unanswered: set[str] = set()

    def interrupt(self, number: int, _: object = None) -> None:
        """
        Let no further question begin, on a signal; a second one ends the request that is under way as well.

        Until then, the request under way is waited for: Octopush might carry it out after the list was deleted.
        """
        if self.interrupted_by is not None:
            self._hook.abort()
        self.interrupted_by = number

    def ask_balance(self) -> None:
        """Check whether login and key are right."""
        self._send("GET", "wallet/check-balance")

    def create_list(self) -> None:
        """
        Create the probe's own list.

        :raises UntoldError: when that was not accepted.
        """
        answer, error, _ = self._send("POST", "contact-list/create", list_body(self.list_name), self.list_name)
        if error is not None:
            raise UntoldError(f"refused with HTTP {error.status_code}")
        self._check_carried_out("contact-list/create", answer)
        self._may_delete_contacts = True

    def create(
        self,
        contacts: Sequence[str | ContactLike],
        *,
        list_name: str | None = None,
        do_not_overwrite: bool | None = None,
    ) -> Reply:
        """
        Create contacts, on the probe's own list or one that does not exist.

        :raises UntoldError: when it is not known whether that was accepted.
        """
        name = list_name or self.list_name
        body = contacts_body(
            [{"phone_number": contact} if isinstance(contact, str) else contact for contact in contacts],
            list_name=name,
            do_not_overwrite=do_not_overwrite,
        )
        answer, error, seconds = self._send("POST", "contact/create", body, name, contacts=len(contacts))
        if error is not None:
            return Reply(answer.status_code, error.code, [], seconds)
        try:
            items = raw_items("contact/create", self._hook.settings.host, answer)
        except OctopushAnswerError:
            raise UntoldError(f"HTTP {answer.status_code}, without items") from None
        self.statuses.update(item["status"] for item in items if digits_of(item["phone_number"]) in self._digits)
        return Reply(answer.status_code, None, items, seconds)

    def delete(self, numbers: Sequence[str]) -> int:
        """
        Take numbers off the probe's own list.

        :return: the HTTP status.
        :raises UntoldError: when that must not be asked, or has no answer.
        """
        if not self._may_delete_contacts:
            raise UntoldError("nothing is deleted from a list that could not be created")
        body = deletion_body(numbers, list_name=_checked(self.list_name))
        answer, error, _ = self._send("DELETE", "contact/delete", body, self.list_name)
        if error is None:
            self._check_carried_out("contact/delete", answer)
        return answer.status_code

    def shown(self, text: str) -> str | None:
        """Return a server's text; None if it may hold something personal."""
        settings = self._hook.settings
        return text if redacted(text, settings.login, settings.key) == text else None

    def clean_up(self) -> tuple[list[str], list[str]]:
        """
        Delete the lists that may be there.

        :return: the names of lists that may still be there, and of those that may come back.
        """
        left = [name for name in sorted(self._lists) if not self._delete_list(_checked(name))]
        return left, sorted(self._unanswered - set(left))

    def _delete_list(self, name: str) -> bool:
        for is_last in (*[False] * (_TRIES - 1), True):
            try:
                answer = self._cleaning_hook.send(
                    "DELETE", "contact-list/delete", list_body(name), within=_DELETION_SECONDS
                )
                if answer.is_success:
                    self._check_carried_out("contact-list/delete", answer)
                    return True
                error = self._refusal("contact-list/delete", answer)
            except (OctopushError, UntoldError):
                error = OctopushServerError("no answer")
            if is_last or isinstance(error, OctopushCredentialsError | OctopushRequestError):
                return False
            time.sleep(min(_USUAL_WAIT if error.retry_after is None else error.retry_after, _LONGEST_WAIT))
        return False

    def _send(
        self, method: str, endpoint: str, body: bytes | None = None, list_name: str | None = None, *, contacts: int = 0
    ) -> tuple[Answer, OctopushRequestError | None, float]:
        """
        Send a request.

        :param list_name: the list that may be there from then on.
        :return: the answer, the error if it is a refusal, and how long it took.
        :raises UntoldError: when it is neither a success nor a refusal.
        :raises OctopushCredentialsError: when the probe has to stop, as with :class:`.OctopushRateLimitError`.
        """
        if self.interrupted_by is not None:
            raise InterruptedProbeError("interrupted")
        is_new = list_name is not None and list_name not in self._lists
        if list_name is not None:
            self._lists.add(list_name)
        started = time.monotonic()
        try:
            answer = self._hook.send(method, endpoint, body, contacts=contacts)
        except OctopushError as failure:
            if list_name is not None:
                self._unanswered.add(list_name)
            if isinstance(failure, OctopushServerError | OctopushAnswerError):
                raise UntoldError("no answer") from None
            raise
        seconds = time.monotonic() - started
        self._note_limits(answer)
        if answer.is_success:
            return answer, None, seconds
        error = self._refusal(endpoint, answer)
        if isinstance(error, OctopushServerError) or answer.status_code < 400:
            raise UntoldError(f"HTTP {answer.status_code}")
        if list_name is not None and is_new:
            self._lists.discard(list_name)
        if not isinstance(error, OctopushRequestError):
            raise error
        return answer, error, seconds

    def _refusal(self, endpoint: str, answer: Answer) -> OctopushError:
        return refusal(endpoint, answer, self._hook.settings, self._hook.octopush_conn_id, holds_contacts=True)

    def _check_carried_out(self, endpoint: str, answer: Answer) -> None:
        try:
            check_carried_out(endpoint, self._hook.settings.host, answer)
        except OctopushAnswerError:
            raise UntoldError(f"HTTP {answer.status_code}, but perhaps not from Octopush") from None

    def _note_limits(self, answer: Answer) -> None:
        for name, value in answer.headers.items():
            if _LIMIT_HEADER.fullmatch(name.lower()) and self.shown(name.lower()):
                is_small = value.isascii() and value.isdecimal() and len(value) <= 6
                self.limit_headers.setdefault(name.lower(), value if is_small else "…")


def digits_of(number: str) -> str:
    """Return only the digits 0 to 9 of a number."""
    return "".join(character for character in number if character in "0123456789")


def _checked(name: str) -> str:
    """
    Return the name of a list if it is the probe's own.

    :raises ValueError: when it is not.
    """
    if not name.startswith(PREFIX):
        raise ValueError(f"a probe deletes only lists whose name begins with {PREFIX}")
    return name
