"""
Bodies that are encoded already, sent through keep-alive sessions of requests with nothing else to do; writes JSON.

The least that anybody's client has to do who uses requests and threads.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import requests

from airflow_provider_octopush.contacts.mapping import ContactMapper
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.sources.upstream import read_upstream
from benchmarks.customers import COLUMNS, customers

CHUNK_SIZE = 200


def bodies(rows: int) -> list[bytes]:
    """Encode what the operator sends of so many rows."""
    mapper = ContactMapper({"phone_number": "mobile", "region": "country", "param1": "tier"}, PhoneReader())
    named = (dict(zip(COLUMNS, row, strict=True)) for row in customers(rows))
    payloads = [
        contact.payload for frame in read_upstream(named, batch_size=10_000) for contact in mapper.map(frame, 1)[0]
    ]
    encode = partial(OctopushHook().encode_contacts, list_name="Benchmark")
    return [encode(payloads[i : i + CHUNK_SIZE]) for i in range(0, rows, CHUNK_SIZE)]


def replay(root: str, encoded: list[bytes], concurrency: int) -> float:
    """Post bodies; return the seconds that it took."""
    rest, lock = iter(encoded), threading.Lock()

    def post_all() -> None:
        session = requests.Session()
        session.headers.update({"api-login": "l", "api-key": "k", "Content-Type": "application/json"})
        while (body := _next(rest, lock)) is not None:
            session.post(f"{root}/v1/public/contact/create", data=body, timeout=30).raise_for_status()

    threads = [threading.Thread(target=post_all) for _ in range(concurrency)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def _next(rest: Iterator[bytes], lock: threading.Lock) -> bytes | None:
    with lock:
        return next(rest, None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    encoded = bodies(arguments.rows)
    rounds = [replay(arguments.root, encoded, arguments.concurrency) for _ in range(arguments.rounds)]
    sys.stdout.write(f"{json.dumps(rounds)}\n")
