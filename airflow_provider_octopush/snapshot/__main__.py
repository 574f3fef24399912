"""``python -m airflow_provider_octopush.snapshot``: look into a snapshot, make the first, take over from a dead run."""

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

#: Not all were found; what a shell says of a process whose reader has gone, or that Ctrl-C ended.
_NOT_ALL, _NO_READER, _INTERRUPTED = 1, 141, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run one command.

    :param arguments: the command line; None takes the process's own.
    :return: the exit code: 0 when all is well, 1 when ``find`` did not find all numbers, 2 when something is wrong.
    """
    output = sys.stdout
    try:
        options = _parser().parse_args(arguments)
        with quiet():
            code = _run(options, output)
            output.flush()
    except BrokenPipeError:
        # Python would say at its end that it could not write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        return _NO_READER
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (OctopushError, MissingProviderError) as error:
        return complain(str(error))
    except OSError as error:
        return complain(
            f"{options.path} or a file beside it cannot be read or written ({error.strerror or type(error).__name__}): "
            "look at the path, its permissions, and how much room there is"
        )
    except Exception as error:  # noqa: BLE001 - whatever Airflow or a store raises; its text may quote anything
        return complain(
            f"{options.command} failed with {type(error).__name__}: look at --path and at the connections in it and "
            "behind --conn-id; if all are right, report it"
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
            output.write(f"what was left beside the snapshot is in it now: {number:,} contacts\n")
        return 0
    with look_into(store, keys, account) as snapshot:
        if options.command == "find":
            return _find(snapshot, output)
        output.writelines(described(snapshot) if options.command == "show" else exported(snapshot))
        return 0


def _find(snapshot: Snapshot, output: TextIO) -> int:
    if isinstance(sys.stdin, io.TextIOWrapper):
        # What is not UTF-8 is no number, and an error of the codec would quote it.
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    asked, code = False, 0
    for line, text, state in looked_up(snapshot, sys.stdin):
        asked = True
        if state is None:
            code = complain(f"line {line} is no number with a plus: write one number a line, like +336…")
            continue
        output.write(f"{text}\t{state}\n")
        if state not in (Presence.HAS, Presence.MAY_BE_THERE):
            code = max(code, _NOT_ALL)
    if not asked:
        raise CommandLineError("there is no number on standard input: write one a line, with a plus")
    return code


def _opened(options: argparse.Namespace) -> tuple[SnapshotStore, Sequence[Keys], str]:
    """Return where the snapshot is kept, what opens it, and the account that it has to be of."""
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    from airflow_provider_octopush.hooks.octopush import OctopushHook
    from airflow_provider_octopush.operators.snapshots import account_of, keys_of
    from airflow_provider_octopush.snapshot.path_store import open_store

    try:
        settings = OctopushHook(options.conn_id).settings
    except AirflowNotFoundException:
        raise CommandLineError(
            f"Airflow has no connection {options.conn_id!r}: write another one behind --conn-id, or run this where the "
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
    common.add_argument("--path", required=True, help="of the snapshot, as snapshot_path has it")
    common.add_argument(
        "--conn-id",
        default="octopush_default",
        help="Airflow's connection, which has the extra snapshot_secret (default octopush_default)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, said in (
        ("show", "say in words what a snapshot says of itself, with counts and without any phone number"),
        (
            "find",
            "read numbers with a plus from standard input, one a line, and say of each: has, may be there, may be gone "
            "or not there; the exit code is 0 if all are there or may be, else 1",
        ),
        ("export", "write all contacts as a CSV, with the columns phone_number and mark, to standard output"),
        (
            "recover",
            "put what a dead run has left beside the snapshot into it, where no run will come any more; a run that is "
            "under way ends",
        ),
    ):
        commands.add_parser(name, parents=[common], help=said, description=f"{name}: {said}.")
    said = "write a first snapshot of contacts that are on the list already: the next run updates or removes them"
    adopt = commands.add_parser("adopt", parents=[common], help=said, description=f"adopt: {said}.")
    adopt.add_argument("--list-name", required=True, help="the list, as the task has it")
    adopt.add_argument("--dag-id", required=True, help="of the task that will keep the list in step")
    adopt.add_argument("--task-id", required=True, help="of that task, with its task groups")
    adopt.add_argument(
        "file", metavar="FILE", type=Path, help="CSV with a column phone_number: numbers with a plus and nothing else"
    )
    return parser


if __name__ == "__main__":
    # As Airflow's own commands do: connections that are in its database are found, too.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    raise SystemExit(main())
