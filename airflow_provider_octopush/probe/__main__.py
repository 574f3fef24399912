"""``python -m airflow_provider_octopush.probe``: ask a real account what Octopush's documentation leaves open."""

from __future__ import annotations

import argparse
import datetime as dt
import io
import itertools
import os
import re
import secrets
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_octopush.command_line import CommandLineError, Parser, complain, quiet
from airflow_provider_octopush.exceptions import OctopushError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.probe.account import CLEANING_REQUESTS, PREFIX, Account
from airflow_provider_octopush.probe.questions import (
    ASKED_ABOUT,
    IMPOSSIBLE,
    NO_NUMBER,
    QUESTIONS,
    SIZES,
    SIZES_QUESTION,
)
from airflow_provider_octopush.probe.report import Report, ask

#: Exit codes: it was stopped or perhaps left something behind; what a shell adds to a signal's number.
_NOT_ALL, _SIGNALLED = 1, 128

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Ask, clean up, and print what was found.

    :param arguments: the command line; None takes the process's own.
    :return: the exit code: 0 if all is well, 1 if the probe was stopped or a list may be left, 2 for an error, 128
        plus the signal's number if one ended it.
    """
    output = sys.stdout
    try:
        options = _parser().parse_args(arguments)
        with quiet():
            return _run(options, output)
    except KeyboardInterrupt:
        return _SIGNALLED + signal.SIGINT
    except OctopushError as error:
        return complain(str(error))
    except Exception as error:  # noqa: BLE001 - the boundary; its text may quote anything
        return complain(
            f"the probe failed with {type(error).__name__}: check the connection given with --conn-id; if it is "
            "right, report it"
        )


def _run(options: argparse.Namespace, output: TextIO) -> int:
    numbers = _numbers(options)
    hook, cleaning_hook = _hook(options.conn_id), _hook(options.conn_id)
    questions = (*QUESTIONS, SIZES_QUESTION) if options.sizes else QUESTIONS
    # No other probe has the same name, even if it begins in the same moment.
    name = f"{PREFIX}{dt.datetime.now(dt.UTC):%y%m%d}-{secrets.token_hex(3)}"
    account = Account(hook, cleaning_hook, numbers, name)
    most = sum(question.requests for question in questions) + CLEANING_REQUESTS
    sys.stderr.write(_announcement(account, hook, len(numbers[: max(SIZES) if options.sizes else ASKED_ABOUT]), most))
    if not options.yes:
        sys.stderr.write("Write yes to begin: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() != "yes":
            raise CommandLineError(
                "nothing was sent: answer yes, or add --yes; an empty line ends numbers on standard input"
            )
    report = Report(questions)
    is_clean = False
    with _signals_to(account):
        try:
            ask(account, numbers, questions, report)
        finally:
            is_clean = _clean_up(account)
    if account.interrupted_by is not None:
        complain("the probe was interrupted: it has nothing to report")
        return _SIGNALLED + account.interrupted_by
    if report.stopped is not None:
        complain(f"the probe was stopped: {report.stopped}")
    try:
        output.writelines([report.as_json()] if options.json else report.as_table())
        output.flush()
    except OSError as error:
        # Otherwise Python would complain at exit that it could not write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        raise CommandLineError(
            f"the account was asked, but the report cannot be written to standard output ({error.strerror})"
        ) from None
    return 0 if is_clean and report.stopped is None else _NOT_ALL


def _numbers(options: argparse.Namespace) -> list[str]:
    """
    Read the numbers: from the file, or from standard input, where an empty line ends them if a yes is asked for.

    :raises CommandLineError: when there are none, or a line holds something else.
    """
    if isinstance(sys.stdin, io.TextIOWrapper):
        # Text that is not UTF-8 is not a number, and the codec's error would quote it.
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    if options.numbers is None:
        lines = iter(sys.stdin.readline, "")
        numbers = _read_numbers(lines if options.yes else itertools.takewhile(str.strip, lines))
    else:
        try:
            numbers = _read_numbers(options.numbers.read_text(encoding="utf-8-sig", errors="replace").splitlines())
        except OSError as error:
            raise CommandLineError(
                f"the file given with --numbers cannot be read ({error.strerror}): check its path and its permissions"
            ) from None
    if not numbers:
        raise CommandLineError(
            "there are no numbers: write one a line, with a plus, to standard input or --numbers FILE"
        )
    return numbers


def _read_numbers(lines: Iterable[str]) -> list[str]:
    numbers: dict[str, None] = {}
    for position, line in enumerate(lines, 1):
        number = line.strip()
        if number and not _NUMBER.fullmatch(number):
            raise CommandLineError(f"line {position} is not a number with a plus: write one a line, like +336…")
        numbers[number] = None
    return list(filter(None, numbers))


def _hook(conn_id: str) -> OctopushHook:
    """Return a hook whose connection was looked up and checked."""
    hook = OctopushHook(conn_id)
    try:
        hook.settings  # noqa: B018 - it is looked up once
    except AirflowNotFoundException:
        raise CommandLineError(
            "Airflow has no connection with the id given with --conn-id: name another one, or run this where tasks run"
        ) from None
    except OctopushError as error:
        # It may quote what is in the field, and that may be the key.
        raise CommandLineError(re.sub(r" (is|has the scheme) .+: write", " is wrong: write", str(error))) from None
    return hook


def _announcement(account: Account, hook: OctopushHook, contacts: int, requests: int) -> str:
    return f"""\
This asks the account behind {hook.octopush_conn_id!r} at {hook.settings.host} what Octopush does not document.
- It sends at most {requests} requests, one at a time, and no SMS. The first 401, 403 or 429 ends it,
  and so does a request without an answer.
- Contacts of your numbers are created ({contacts} of them), and THEIR FIELDS ARE OVERWRITTEN: give it only numbers
  that no campaign needs. The contacts stay in the account.
- It also sends one of the numbers with a blank in it, and {IMPOSSIBLE} and {NO_NUMBER}, which are nobody's.
- It creates the lists {account.list_name} and {account.unknown_list_name}, and deletes both at its end.
"""


@contextmanager
def _signals_to(account: Account) -> Iterator[None]:
    """Let signals end the questions, but never the cleaning up."""
    before = {number: signal.signal(number, account.interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _clean_up(account: Account) -> bool:
    left = account.clean_up()
    if left:
        complain(f"perhaps left: {', '.join(left)}. In a while, look for it in Octopush, and delete it there")
    return not left


def _parser() -> Parser:
    parser = Parser(
        prog="python -m airflow_provider_octopush.probe",
        description="Ask a real account what Octopush's documentation leaves open, with numbers of yours that no "
        "campaign needs and on a list of its own. No SMS is sent. It says what it will do before it "
        "begins.",
        epilog="Write the numbers one a line, with a plus; with three of them it can tell most. The report holds no "
        "number, login or key.",
    )
    parser.add_argument("--conn-id", default="octopush_default", help="Airflow's connection (default octopush_default)")
    parser.add_argument("--numbers", metavar="FILE", type=Path, help="with the numbers (default: standard input)")
    parser.add_argument(
        "--sizes",
        action="store_true",
        help="also ask how many contacts a request may hold: 1, 200 and 500, if that many are given",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON for the simulator's --like, instead of a table for a person"
    )
    parser.add_argument("--yes", action="store_true", help="begin without a question, for scripts")
    return parser


if __name__ == "__main__":
    # As Airflow's own commands do, so that connections in its database are found, too.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    raise SystemExit(main())
