"""The hook: one method for each endpoint of the API."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_octopush.exceptions import OctopushCredentialsError, OctopushError
from airflow_provider_octopush.hooks.answers import balance, check_carried_out, contact_items, raw_items, refusal
from airflow_provider_octopush.hooks.bodies import ContactLike, ContactOptions, contacts_body, deletion_body, list_body
from airflow_provider_octopush.hooks.bounds import Abort
from airflow_provider_octopush.hooks.connection import Settings, connection_type
from airflow_provider_octopush.hooks.redaction import redacted_balance
from airflow_provider_octopush.hooks.transport import Answer, Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    import requests

    from airflow_provider_octopush.payloads import ContactItem

#: A person waits for the connection form's Test button, so it gives up sooner than a task.
TEST_CONNECTION_SECONDS = 10.0

_CREATE = "contact/create"
_DELETE = "contact/delete"
_BALANCE = "wallet/check-balance"


class OctopushHook(BaseHook):
    """
    Talk to the Octopush API, one request at a time.

    Failures are raised as the classes of :mod:`airflow_provider_octopush.exceptions`. The hook does not repeat
    anything, because only the caller knows what a repetition would mean.

    .. seealso::
        https://dev.octopush.com/en/sms-gateway-api-documentation/

    :param octopush_conn_id: connection of type ``octopush``: login is the ``api-login``, password the ``api-key``, host
        the base URL (default ``https://api.octopush.com/v1/public``). Extras: ``timeout`` in seconds (default 30),
        ``request_retries`` (default 5), and ``snapshot_secret`` if you keep lists in step.
    """

    conn_name_attr = "octopush_conn_id"
    default_conn_name = "octopush_default"
    conn_type = "octopush"
    hook_name = "Octopush"

    def __init__(self, octopush_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.octopush_conn_id = octopush_conn_id
        self._abort = Abort()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the connection form to Airflow 2.11 to 3.1; later ones read the provider info."""
        behaviour = connection_type()["ui-field-behaviour"]
        return {key.replace("-", "_"): value for key, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Give the form's extra fields to Airflow 2.11 to 3.1; later ones read the provider info."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import PasswordField, StringField
        from wtforms.validators import Optional

        fields = {}
        for name, definition in connection_type()["conn-fields"].items():
            hides = definition["schema"].get("format") == "password"
            kind, widget = (PasswordField, BS3PasswordFieldWidget) if hides else (StringField, BS3TextFieldWidget)
            fields[name] = kind(
                lazy_gettext(definition["label"]),
                widget=widget(),
                description=definition["description"],
                validators=[Optional()],
            )
        return fields

    @cached_property
    def settings(self) -> Settings:
        """
        The settings of the connection. It is looked up once, because on a worker each look-up is a request.

        :raises OctopushConnectionConfigError: when a field is missing or wrong. If there is no such connection, Airflow
            raises an exception of its own.
        """
        return Settings.from_connection(self.get_connection(self.octopush_conn_id))

    @cached_property
    def _transport(self) -> Transport:
        return Transport(self.settings, self.octopush_conn_id, self._abort)

    def abort(self) -> None:
        """
        End every request that is under way, in any thread, and let no other begin.

        This returns at once, and you may call it from a signal handler. Each of these requests raises
        :class:`.OctopushAbortedError` within a fraction of a second. There is no way back: make another hook.
        """
        self._abort.is_wanted = True

    def get_conn(self) -> requests.Session:
        """
        Return the session of this thread: authenticated, with keep-alive, and with bounds for every request.

        Each thread gets its own, because requests does not promise that a session can be shared. A request through it
        takes at most three times its timeout in all, and ends with :meth:`abort`. The size of an answer has no limit:
        set one yourself. Its exceptions are those of requests, which hold what was sent.

        :raises OctopushConnectionConfigError: when the connection is incomplete or wrong.
        """
        return self._transport.session()

    def create_contacts(
        self,
        contacts: Sequence[ContactLike],
        *,
        list_name: str | None = None,
        tag_name: str | None = None,
        auto_remove_blacklisted_numbers: bool | None = None,
        do_not_overwrite: bool | None = None,
    ) -> list[dict[str, Any]]:
        """
        Create or update contacts, in one request to ``contact/create``.

        :param contacts: at least one, with the keys ``phone_number`` (required), ``first_name``, ``last_name``,
            ``param1`` to ``param5``. Values are text or None.
        :param list_name: list to add the contacts to, at most 30 characters.
        :param tag_name: tag to attach to each contact, at most 20 characters.
        :param auto_remove_blacklisted_numbers: True: Octopush drops blacklisted numbers from the request.
        :param do_not_overwrite: True: a number that exists already keeps its old record.
        :return: the answer's ``items``, each with at least ``phone_number`` and ``status`` as text. Their order and
            number are the server's choice, and so is what text they hold. Other items are left out: they say nothing
            about a contact.
        :raises ValueError: before anything is sent, when a name is too long or a contact is not as described.
        :raises OctopushError: one of its subclasses, when Octopush did not accept the request.
        """
        body = self.encode_contacts(
            contacts,
            list_name=list_name,
            tag_name=tag_name,
            auto_remove_blacklisted_numbers=auto_remove_blacklisted_numbers,
            do_not_overwrite=do_not_overwrite,
        )
        return raw_items(_CREATE, self.settings.host, self._create(body))

    def encode_contacts(self, contacts: Sequence[ContactLike], **options: Unpack[ContactOptions]) -> bytes:
        """
        Check contacts and write the body of a request to ``contact/create``, for :meth:`post_contacts`.

        Nothing is sent.

        :param contacts: as :meth:`create_contacts` takes them.
        :param options: the options of :meth:`create_contacts`.
        :return: JSON in UTF-8.
        :raises ValueError: when a name is too long or a contact is not as described.
        """
        return contacts_body(contacts, **options)

    def post_contacts(self, body: bytes) -> list[ContactItem]:
        """
        Create or update contacts, in one request to ``contact/create``.

        :param body: what :meth:`encode_contacts` returned.
        :return: the answer's ``items``. Their order and number are the server's choice. An item without
            ``phone_number`` and ``status`` as text is left out.
        :raises OctopushError: one of its subclasses, when Octopush did not accept the request.
        """
        return contact_items(_CREATE, self.settings.host, self._create(body))

    def _create(self, body: bytes) -> Answer:
        # Inside a value, the quotes would be escaped.
        return self._call("POST", _CREATE, body, contacts=body.count(b'"phone_number":'))

    def delete_contacts(self, numbers: Sequence[str], *, list_name: str) -> None:
        """
        Take contacts off a list, in one request to ``contact/delete``. They stay in the account.

        :param numbers: 1 to 200, written as they were sent.
        :param list_name: the list. You cannot leave it out, because without it Octopush deletes from the whole account:
            see :meth:`delete_contacts_from_account`.
        :raises ValueError: before anything is sent, when the name or a number is not as described.
        :raises OctopushAnswerError: when the answer is a success, but may not be Octopush's: it has a body that is not
            a JSON object, or one that reports an error. Whether the contacts are gone is not known.
        :raises OctopushError: another of its subclasses, when Octopush did not accept the request. Octopush does not
            document what it answers for a number that is not there.
        """
        if list_name is None:
            raise ValueError(
                "list_name is None: Octopush would delete from the whole account. If that is what you want, call "
                "delete_contacts_from_account"
            )
        self._carry_out("DELETE", _DELETE, deletion_body(numbers, list_name=list_name))

    def delete_contacts_from_account(self, numbers: Sequence[str]) -> None:
        """
        Delete contacts from the account, and so from all of its lists, in one request to ``contact/delete``.

        :param numbers: 1 to 200, written as they were sent.
        :raises ValueError: before anything is sent, when a number is not as described.
        :raises OctopushAnswerError: as in :meth:`delete_contacts`.
        :raises OctopushError: another of its subclasses, when Octopush did not accept the request.
        """
        self._carry_out("DELETE", _DELETE, deletion_body(numbers, list_name=None))

    def create_contact_list(self, list_name: str) -> None:
        """
        Create an empty list, with ``contact-list/create``.

        :param list_name: at most 30 characters.
        :raises ValueError: before anything is sent, when the name is blank or too long.
        :raises OctopushAnswerError: as in :meth:`delete_contacts`.
        :raises OctopushError: another of its subclasses, when Octopush did not accept the request.
        """
        self._carry_out("POST", "contact-list/create", list_body(list_name), holds_contacts=False)

    def check_balance(self) -> dict[str, Any]:
        """
        Ask for the account's balance, with ``wallet/check-balance``.

        :return: ``{"amount": 12.54, "unit": "euros"}``
        :raises OctopushError: one of its subclasses, when Octopush did not answer.
        """
        return self._check_balance(math.inf)

    def _check_balance(self, within: float) -> dict[str, Any]:
        answer = self._call("GET", _BALANCE, within=within, holds_contacts=False)
        return balance(_BALANCE, self.settings.host, answer)

    def test_connection(self) -> tuple[bool, str]:
        """
        Ask Octopush for the balance, within seconds, and describe the outcome in words.

        :return: whether it worked, and a sentence for the person at the connection form.
        """
        try:
            said = self._check_balance(TEST_CONNECTION_SECONDS)
        except OctopushCredentialsError as error:
            return False, f"login or key refused (HTTP {error.status_code})"
        except OctopushError as error:
            # Airflow tests the connection under a made-up id, which means nothing to the reader.
            return False, str(error).replace(f"connection {self.octopush_conn_id!r}", "connection")
        shown = redacted_balance(said["amount"], said["unit"], self.settings.login, self.settings.key)
        return True, f"connected, balance {shown}"

    def send(
        self, method: str, endpoint: str, body: bytes | None = None, *, contacts: int = 0, within: float = math.inf
    ) -> Answer:
        """
        Send one request as it is, and return its answer as it is: for what the other methods do not offer.

        Nothing of the body is checked. Without a list's name, ``contact/delete`` deletes from the whole account.

        :param method: the HTTP method.
        :param endpoint: the endpoint, such as ``contact/create``.
        :param body: JSON in UTF-8; None sends none.
        :param contacts: how many contacts it holds, which limits the size of the answer.
        :param within: seconds for all of it, if that is less than usual.
        :return: the answer, whatever its status.
        :raises OctopushError: one of its subclasses, when there is no answer that can be read.
        """
        return self._transport.send(method, endpoint, body, contacts=contacts, within=within)

    def _carry_out(self, method: str, endpoint: str, body: bytes, *, holds_contacts: bool = True) -> None:
        answer = self._call(method, endpoint, body, holds_contacts=holds_contacts)
        check_carried_out(endpoint, self.settings.host, answer)

    def _call(
        self,
        method: str,
        endpoint: str,
        body: bytes | None = None,
        *,
        contacts: int = 0,
        within: float = math.inf,
        holds_contacts: bool = True,
    ) -> Answer:
        answer = self._transport.send(method, endpoint, body, contacts=contacts, within=within)
        if not answer.is_success:
            raise refusal(endpoint, answer, self.settings, self.octopush_conn_id, holds_contacts=holds_contacts)
        return answer
