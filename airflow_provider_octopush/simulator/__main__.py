"""``python -m airflow_provider_octopush.simulator``: the Octopush API on localhost, until stopped."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from types import FrameType


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the simulator until SIGINT or SIGTERM.

    :return: the exit code: 0 when it was stopped, 1 when it could not start.
    """
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_octopush.simulator",
        description="The Octopush API on localhost. Look at GET /simulator for what it holds.",
    )
    parser.add_argument("--port", type=int, default=8090, help="port on 127.0.0.1; 0 takes a free one (default 8090)")
    parser.add_argument(
        "--behaviour",
        metavar="JSON",
        default="{}",
        help="what Octopush does not document, and faults, as a JSON object: "
        '\'{"latency": 0.1, "max_contacts": 200, "order": "shuffled", "fault_rate": 0.05}\'; '
        "the switches are those of airflow_provider_octopush.simulator.Behaviour",
    )
    options = parser.parse_args(arguments)
    try:
        from airflow_provider_octopush.simulator import Behaviour, Simulator
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        parser.error("aiohttp is missing: pip install 'airflow-provider-octopush[simulator]'")
    try:
        behaviour = Behaviour.from_json(json.loads(options.behaviour))
    except (AttributeError, TypeError, ValueError) as error:
        parser.error(f"--behaviour: {error}")

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        with Simulator(behaviour, options.port) as simulator:
            sys.stdout.write(
                f"Octopush simulator: {simulator.url} (api-login {simulator.login}, api-key {simulator.key})\n"
            )
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        sys.stderr.write(f"cannot listen on port {options.port}: {error.strerror}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
