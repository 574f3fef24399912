"""``python -m airflow_provider_octopush.simulator``: the Octopush API on localhost, until stopped."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.parsing import parse

_STOPS = {signal.SIGINT, signal.SIGTERM}


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the simulator until SIGINT or SIGTERM.

    :param arguments: the command line; None takes the process's own.
    :return: the exit code: 0 when it was stopped, 1 when it could not start.
    """
    # Blocked until they are waited for, so that no moment exists at which one of them leaves a traceback.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        return _run(arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


def _run(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    port, values, like = options.pop("port"), options.pop("behaviour"), options.pop("like")
    try:
        switches = parse(values.encode())
        if isinstance(switches, dict):
            switches = {**_told(like), **switches, **options}
        behaviour = Behaviour.from_json(switches)
    except OSError as error:
        parser.error(f"the file given with --like cannot be read: {error.strerror}")
    except ValueError as error:
        parser.error(f"the switches: {error}")
    try:
        from airflow_provider_octopush.simulator import Simulator

        with Simulator(behaviour, port) as simulator:
            sys.stdout.write(
                f"Octopush simulator: {simulator.url} (api-login {simulator.login}, api-key {simulator.key})\n"
            )
            sys.stdout.flush()
            signal.sigwait(_STOPS)
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        sys.stderr.write(f"{error}\n")
        return 1
    except (OSError, OverflowError) as error:
        sys.stderr.write(f"cannot listen on port {port}: {error.strerror if isinstance(error, OSError) else error}\n")
        return 1
    return 0


def _told(like: Path | None) -> dict[str, Any]:
    """Read what a probe has found out of an account; what it could not tell stays as it is by default."""
    report = {} if like is None else parse(like.read_bytes())
    if not isinstance(report, dict):
        raise ValueError("--like holds no JSON object, as the probe writes one")  # noqa: TRY004 - as for other switches
    told = {name: value for name, value in report.items() if value is not None}
    try:
        Behaviour.from_json(told)
    except ValueError as error:
        # Its text goes on with the value, which may be a person's.
        raise ValueError(f"--like is not as the probe writes it ({str(error).partition(':')[0]})") from None
    return told


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_octopush.simulator",
        description="The Octopush API on localhost: POST contact/create, DELETE contact/delete, POST "
        "contact-list/create, DELETE contact-list/delete and GET wallet/check-balance below /v1/public. Prints its URL "
        "and credentials when it is ready; stop it with Ctrl-C. Contacts are kept in memory.",
        epilog="GET /simulator shows lists, contacts and the log of requests. POST /simulator/reset forgets them, "
        "PUT /simulator/behaviour changes the switches, POST /simulator/faults lets the next requests fail: "
        """curl -d '[{"status": 429, "retry_after": "2"}, {"drop": true}]' localhost:8090/simulator/faults""",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--port", type=int, default=8090, help="port on 127.0.0.1; 0 takes a free one (default 8090)")
    parser.add_argument(
        "--behaviour",
        metavar="JSON",
        default="{}",
        help="any switches of airflow_provider_octopush.simulator.Behaviour, whose documentation says what they stand "
        """for, as one JSON object: '{"refused": ["+33612345678"], "order": "shuffled"}'; the options below win""",
    )
    parser.add_argument(
        "--like",
        metavar="FILE",
        type=Path,
        default=None,
        help="play the account that this report is of, which `python -m airflow_provider_octopush.probe --json` wrote; "
        "--behaviour and the options below win",
    )
    documented = parser.add_argument_group("what Octopush does not document, or documents two ways")
    documented.add_argument("--max-contacts", type=int, help="contacts in one request (default 500)")
    documented.add_argument("--too-many-status", type=int, help="HTTP status when there are more (default 400)")
    documented.add_argument("--success-status", type=int, help="HTTP status of a success (default 201)")
    documented.add_argument("--order", help="of the answer's items: sent (default), reversed or shuffled")
    documented.add_argument("--number-format", help="how numbers come back: sent (default), stored, digits or groups")
    documented.add_argument("--unknown-lists", help="lists that do not exist: create (default) or refuse")
    documented.add_argument("--credentials-status", type=int, help="HTTP status of a wrong login or key (default 401)")
    documented.add_argument(
        "--no-repair", dest="repair", action="store_false", help="refuse bad input instead of repairing it silently"
    )
    documented.add_argument(
        "--blacklisted", nargs="+", metavar="NUMBER", help="numbers that auto_remove_blacklisted_numbers removes"
    )
    trouble = parser.add_argument_group("time and trouble")
    trouble.add_argument("--latency", type=float, metavar="SECONDS", help="that every request takes (default 0)")
    trouble.add_argument(
        "--fault-rate",
        type=float,
        metavar="SHARE",
        help="0 to 1, of the requests that fail: 429, 5xx, dropped connections, lost and cut answers (default 0)",
    )
    trouble.add_argument("--refused", nargs="+", metavar="NUMBER", help="numbers that make their request fail with 400")
    trouble.add_argument("--seed", type=int, help="the same seed, the same trouble (default 0)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
