"""
``python -m airflow_provider_octopush.snapshot``: look into a snapshot, make a first one, tidy up after a dead run.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from airflow_provider_octopush.api import check_names
from airflow_provider_octopush.command_line import CommandLineError, Parser, complain, quiet
from airflow_provider_octopush.exceptions import MissingProviderError, OctopushError
from airflow_provider_octopush.snapshot.adoption import adopt
from airflow_provider_octopush.snapshot.commands import Presence, described, exported, look_into, looked_up, recover
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.snapshot.snapshot_file import Identity
from airflow_provider_octopush.snapshot.snapshot_store import SnapshotStore

#: Exit codes: not all numbers were found; a shell's codes for a closed pipe and for Ctrl-C.
_NOT_ALL, _NO_READER, _INTERRUPTED = 1, 141, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run one command.

    :param arguments: the command line; None takes the process's own.
    :return: the exit code: 0 if all is well, 1 if ``find`` did not find all numbers, 2 for an error.
    """
    output = sys.stdout
    try:
        options = _parser().parse_args(arguments)
        with quiet():
            code = _run(options, output)
            output.flush()
    except BrokenPipeError:
        # Otherwise Python would complain at exit that it could not write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        return _NO_READER
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (OctopushError, MissingProviderError) as error:
        return complain(str(error))
    except OSError as error:
        return complain(
            f"{options.path} or a file beside it cannot be read or written "
            f"({error.strerror or type(error).__name__}): check the path, its permissions and the free disk space"
        )
    except Exception as error:  # noqa: BLE001 - Airflow or a store may raise anything; the text may quote anything
        return complain(
            f"{options.command} failed with {type(error).__name__}: check --path, its connection, and the one given "
            "with --conn-id; if all are right, report it"
        )
    return code


def _run(options: argparse.Namespace, output: TextIO) -> int:
    store, keys, account = _opened(options)
    if options.command == "adopt":
        try:
            check_names(list_name=options.list_name)
        except ValueError as error:
            raise CommandLineError(str(error)) from None
        identity = Identity(account, options.list_name, f"{options.dag_id}.{options.task_id}")
        adopted = adopt(store, keys, identity, options.file)
        output.write(
            f"{adopted:,} contacts may be on the list {options.list_name!r}: the next run updates or removes them\n"
        )
        return 0
    if options.command == "recover":
        number = recover(store, keys, account)
        if number is None:
            output.write("no run has left anything beside the snapshot: there is nothing to do\n")
        else:
            output.write(f"the snapshot now has what was left beside it: {number:,} contacts\n")
        return 0
    with look_into(store, keys, account) as snapshot:
        if options.command == "find":
            return _find(snapshot, output)
        output.writelines(described(snapshot) if options.command == "show" else exported(snapshot))
        return 0


def _find(snapshot: Snapshot, output: TextIO) -> int:
    if isinstance(sys.stdin, io.TextIOWrapper):
        # Text that is not UTF-8 is not a number, and the codec's error would quote it.
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    asked, code = False, 0
    for line, text, state in looked_up(snapshot, sys.stdin):
        asked = True
        if state is None:
            code = complain(f"line {line} is not a number with a plus: write one number a line, like +336…")
            continue
        output.write(f"{text}\t{state}\n")
        if state not in (Presence.HAS, Presence.MAY_BE_THERE):
            code = max(code, _NOT_ALL)
    if not asked:
        raise CommandLineError("there are no numbers on standard input: write one a line, with a plus")
    return code


def _opened(options: argparse.Namespace) -> tuple[SnapshotStore, Sequence[Keys], str]:
    """Return the snapshot's store, its keys, and the account that it must belong to."""
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    from airflow_provider_octopush.hooks.octopush import OctopushHook
    from airflow_provider_octopush.operators.snapshots import account_of, keys_of
    from airflow_provider_octopush.snapshot.path_store import open_store

    try:
        settings = OctopushHook(options.conn_id).settings
    except AirflowNotFoundException:
        raise CommandLineError(
            f"Airflow has no connection {options.conn_id!r}: name another one with --conn-id, or run this where the "
            "task runs"
        ) from None
    return open_store(options.path), keys_of(settings, options.conn_id), account_of(settings)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m airflow_provider_octopush.snapshot",
        description="Look into a snapshot of SyncListOperator, make a first one, or tidy up after a dead run.",
        epilog="To erase contacts, use DeleteContactsOperator.",
    )
    common = Parser(add_help=False)
    common.add_argument("--path", required=True, help="path of the snapshot, as in snapshot_path")
    common.add_argument(
        "--conn-id",
        default="octopush_default",
        help="the Airflow connection with the extra snapshot_secret (default octopush_default)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, said in (
        ("show", "describe a snapshot in words, with counts and without any phone number"),
        (
            "find",
            "read numbers with a plus from standard input, one a line, and say for each: has, may be there, may be "
            "gone or not there; the exit code is 0 if all are or may be there, else 1",
        ),
        ("export", "write all contacts as a CSV, with the columns phone_number and mark, to standard output"),
        (
            "recover",
            "merge what a dead run has left beside the snapshot into it, where no more runs will come; a run that is "
            "under way ends",
        ),
    ):
        commands.add_parser(name, parents=[common], help=said, description=f"{name}: {said}.")
    said = "write a first snapshot of contacts that are already on the list: the next run updates or removes them"
    adopt = commands.add_parser("adopt", parents=[common], help=said, description=f"adopt: {said}.")
    adopt.add_argument("--list-name", required=True, help="the list, as in the task")
    adopt.add_argument("--dag-id", required=True, help="id of the Dag whose task will keep the list in step")
    adopt.add_argument("--task-id", required=True, help="id of that task, with its task groups")
    adopt.add_argument(
        "file", metavar="FILE", type=Path, help="CSV with a column phone_number: numbers with a plus and nothing else"
    )
    return parser


if __name__ == "__main__":
    # As Airflow's own commands do, so that connections in its database are found, too.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    raise SystemExit(main())
