"""The account that is asked: which requests are allowed, what was seen on the way, and what is left to clean up."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from airflow_provider_octopush.exceptions import (
    OctopushAbortedError,
    OctopushAnswerError,
    OctopushCredentialsError,
    OctopushError,
    OctopushRequestError,
    OctopushServerError,
)
from airflow_provider_octopush.hooks.answers import check_carried_out, raw_items, refusal
from airflow_provider_octopush.hooks.bodies import ContactLike, contacts_body, deletion_body, list_body
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.hooks.transport import Answer

#: The prefix of the probe's lists. No other list is ever deleted.
PREFIX = "airflow-probe-"

#: How often the deletion of a list is tried, how many seconds it may take, and how many pass before the next try.
_TRIES = 3
_DELETION_SECONDS = 15.0
_USUAL_WAIT, _LONGEST_WAIT = 1.0, 60.0

#: The most requests that cleaning up takes: there are two lists.
CLEANING_REQUESTS = 2 * _TRIES

#: What stands for a server's words that may hold something personal.
NOT_SHOWN = "(not shown)"

# An identifier has too few digits for a part of a phone number.
_IDENTIFIER = re.compile(r"(?!(?:.*[0-9]){4})[a-z][a-z0-9_-]{0,29}", re.ASCII)
_SMALL_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)

#: This many characters in a row may reveal part of a login, a key or a number.
_TELLING = 4

_LIMIT_HEADER = re.compile(r"rate-?limit|retry-after|quota")


class UntoldError(Exception):
    """A question that has no answer, and the reason."""


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

    It deletes only lists, and contacts only from a list, whose creation was accepted: another list may be somebody
    else's, and if a list is not there, Octopush may delete from the whole account.

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
        secrets = [_glued(secret) for secret in (hook.settings.login, hook.settings.key, *numbers)]
        self._telling = {
            secret[at : at + _TELLING] for secret in secrets for at in range(max(1, len(secret) - _TELLING + 1))
        }
        # The lists whose creation was accepted, and the list of each request that may still create it.
        self._created: set[str] = set()
        self._unclear: list[str] = []

    def interrupt(self, number: int, _: object = None) -> None:
        """
        Let no further question begin, on a signal; a second one ends the request that is under way as well.

        Until then, the request under way is waited for: Octopush might carry it out after the list was deleted.
        """
        if self.interrupted_by is not None:
            self._hook.abort()
        self.interrupted_by = number

    def create_list(self) -> None:
        """
        Create the probe's own list, if login and key are right.

        :raises OctopushError: when that was not accepted: the list may be another's.
        """
        try:
            self._send("GET", "wallet/check-balance")
            answer, error, _ = self._send(
                "POST", "contact-list/create", list_body(self.list_name), creates=self.list_name
            )
        except UntoldError as untold:
            raise OctopushServerError(f"the list {self.list_name} cannot be created: {untold}") from None
        if error is not None:
            raise error
        check_carried_out("contact-list/create", self._hook.settings.host, answer)
        self._unclear.pop()
        self._created.add(self.list_name)

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
        answer, error, seconds = self._send("POST", "contact/create", body, creates=name, contacts=len(contacts))
        if error is not None:
            self._unclear.pop()
            return Reply(answer.status_code, error.code, [], seconds)
        try:
            items = raw_items("contact/create", self._hook.settings.host, answer)
        except OctopushAnswerError:
            raise UntoldError(f"HTTP {answer.status_code}, without items") from None
        self._unclear.pop()
        self._created.add(name)
        self.statuses.update(item["status"] for item in items if digits_of(item["phone_number"]) in self._digits)
        return Reply(answer.status_code, None, items, seconds)

    def delete(self, numbers: Sequence[str]) -> int:
        """
        Take numbers off the probe's own list.

        :return: the HTTP status.
        :raises UntoldError: when it is not known whether that was accepted.
        """
        body = deletion_body(numbers, list_name=self._checked(self.list_name))
        answer, error, _ = self._send("DELETE", "contact/delete", body)
        if error is None:
            try:
                check_carried_out("contact/delete", self._hook.settings.host, answer)
            except OctopushAnswerError:
                raise UntoldError(f"HTTP {answer.status_code}, but perhaps not from Octopush") from None
        return answer.status_code

    def shown(self, text: str, form: re.Pattern[str] = _IDENTIFIER) -> str:
        """Return a server's text if it has a form that can be shown, and no part of the login, the key or a number."""
        said = _glued(text)
        is_telling = any(part in said or part[::-1] in said for part in self._telling)
        return text if form.fullmatch(text) and not is_telling else NOT_SHOWN

    def clean_up(self) -> list[str]:
        """
        Delete the lists whose creation was accepted.

        :return: the names of lists that may still be there, or come back.
        """
        left = {name for name in sorted(self._created) if not self._delete_list(self._checked(name))}
        return sorted(left.union(self._unclear))

    def _delete_list(self, name: str) -> bool:
        for is_last in (*[False] * (_TRIES - 1), True):
            error: OctopushError = OctopushServerError("no answer")
            with suppress(OctopushError):
                answer = self._cleaning_hook.send(
                    "DELETE", "contact-list/delete", list_body(name), within=_DELETION_SECONDS
                )
                # A success is documented as 204; any other content may tell of an error.
                if answer.is_success and answer.content.strip() in (b"", b"{}"):
                    return True
                if not answer.is_success:
                    error = self._refusal("contact-list/delete", answer)
            if is_last or isinstance(error, OctopushCredentialsError | OctopushRequestError):
                return False
            time.sleep(min(_USUAL_WAIT if error.retry_after is None else error.retry_after, _LONGEST_WAIT))
        return False

    def _send(
        self, method: str, endpoint: str, body: bytes | None = None, *, creates: str | None = None, contacts: int = 0
    ) -> tuple[Answer, OctopushRequestError | None, float]:
        """
        Send a request.

        :param creates: the list that may be there from then on.
        :return: the answer, the error if it is a refusal, and how long it took.
        :raises UntoldError: when it is neither a success nor a refusal.
        :raises OctopushError: when the probe has to stop: a 401, 403 or 429, or no answer.
        """
        if self.interrupted_by is not None:
            raise OctopushAbortedError("interrupted")
        if creates is not None:
            self._unclear.append(creates)
        started = time.monotonic()
        answer = self._hook.send(method, endpoint, body, contacts=contacts)
        seconds = time.monotonic() - started
        self._note_limits(answer)
        if answer.is_success:
            return answer, None, seconds
        error = self._refusal(endpoint, answer)
        if isinstance(error, OctopushServerError) or answer.status_code < 400:
            raise UntoldError(f"HTTP {answer.status_code}")
        if not isinstance(error, OctopushRequestError):
            raise error
        return answer, error, seconds

    def _refusal(self, endpoint: str, answer: Answer) -> OctopushError:
        return refusal(endpoint, answer, self._hook.settings, self._hook.octopush_conn_id, holds_contacts=True)

    def _note_limits(self, answer: Answer) -> None:
        for name, value in answer.headers.items():
            if _LIMIT_HEADER.search(name.lower()):
                self.limit_headers.setdefault(self.shown(name.lower()), self.shown(value, _SMALL_NUMBER))

    def _checked(self, name: str) -> str:
        """
        Return the name of a list that may be deleted, or from which contacts may.

        :raises ValueError: when it is none.
        """
        if not name.startswith(PREFIX) or name not in self._created:
            raise ValueError(f"a probe deletes only lists that it has created, whose name begins with {PREFIX}")
        return name


def digits_of(number: str) -> str:
    """Return only the digits 0 to 9 of a number."""
    return "".join(character for character in number if character in "0123456789")


def _glued(text: str) -> str:
    """Return only the letters and digits of a text, in lower case."""
    return "".join(filter(str.isalnum, text.casefold()))
