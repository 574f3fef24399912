"""What many write first: read, cut, ``requests.post``, next. Numbers go as they are written in the table."""

from __future__ import annotations

import os
import sqlite3
import sys
import time

import requests

CHUNK_SIZE = 200

started = time.perf_counter()
with sqlite3.connect(os.environ["DATABASE"]) as connection:
    cursor = connection.execute(os.environ["QUERY"])
    names = [column[0] for column in cursor.description]
    while rows := cursor.fetchmany(CHUNK_SIZE):
        contacts = [dict(zip(names, row, strict=True)) for row in rows]
        answer = requests.post(
            os.environ["ENDPOINT"],
            json={"contacts": contacts, "list_name": "Benchmark"},
            headers={"api-login": "login", "api-key": "key"},
            timeout=30,
        )
        answer.raise_for_status()
sys.stdout.write(f"{time.perf_counter() - started}\n")
