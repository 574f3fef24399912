from __future__ import annotations

import json
import os
import re
import sqlite3
from pathlib import Path

import pytest

from airflow_provider_octopush.simulator import Simulator
from tests.airflow_runs import run_module

pytestmark = pytest.mark.integration

LOGIN, KEY = "demo@example.com", "demo-key"
PEOPLE = [
    ("+33698765432", "Balthazar", "Quillfeather", "Goldfinger"),
    ("+33 6 98 76 54 33", "Zenobia", "Ravensworth", "Goldfinger"),
    ("0698765434", "Cornelius", "Wintergreen", "Goldfinger"),
    ("+33698765435 ext 7", "Peregrine", "Thistlewood", "Goldfinger"),
    ("3.36987654E+10", "Wilhelmina", "Copperfield", "Goldfinger"),
    (33698765437, "Araminta", "Featherstone", "Goldfinger"),
    ("+33698765432", "Balthazar", "Quillfeather", "Goldfinger"),
    *((f"+3369876{n}", "Balthazar", "Quillfeather", "Goldfinger") for n in range(1000, 1030)),
]
#: What must be found nowhere: numbers by the digits that make a person, in any punctuation; names; credentials. Fewer
#: digits would be found in times and ids too, now and then.
NAMES = {name for person in PEOPLE for name in person[1:] if isinstance(name, str)}
SECRETS = re.compile(
    "|".join([r"6[\s.-]?98[\s.-]?76[\s.-]?(?:54|10[0-3]\d)", *NAMES, re.escape(LOGIN), re.escape(KEY), "wrong-key"])
)
SUCCEED = {"succeeds", "unknown_status", "a_name_as_status", "dry_run", "function_yields", "function_returns"}


def test_no_path_of_a_run_leaves_personal_data_behind(simulator: Simulator, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.sqlite"
    with sqlite3.connect(warehouse) as connection:
        connection.execute("CREATE TABLE customers (phone_number, first_name, last_name, param1)")
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", PEOPLE)
    connection.close()
    home = tmp_path / "airflow"
    octopush = {
        "conn_type": "octopush",
        "host": simulator.url,
        "login": LOGIN,
        "password": KEY,
        "extra": {"request_retries": 1},
    }
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        # In the folder that is searched.
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(home / "openlineage.jsonl"), "append": True}
        ),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(warehouse)}),
        "AIRFLOW_CONN_OCTOPUSH_DEFAULT": json.dumps(octopush),
        "AIRFLOW_CONN_OCTOPUSH_WRONG": json.dumps({**octopush, "password": "wrong-key"}),
        "AIRFLOW_CONN_OCTOPUSH_EMPTY": json.dumps({**octopush, "password": ""}),
        "SIMULATOR": f"http://127.0.0.1:{simulator.port}/simulator",
        "REJECTS": str(tmp_path / "rejects"),
    }
    output, states = run_module("tests.integration.private_dags", environment)
    assert {name for name, state in states.items() if state == "success"} == SUCCEED

    found = [
        f"log: {line[:300]}"
        for line in output.splitlines()
        # At DEBUG, dag.test() prints what Airflow's task tells its supervisor to mask.
        if SECRETS.search(line) and "MaskSecret" not in line
    ]
    # The database holds XComs, rendered fields, the task's state, serialized Dags and whatever else Airflow keeps.
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {home / "airflow.db", home / "openlineage.jsonl"} <= set(files)
    for path in files:
        text = path.read_bytes().decode(errors="replace")
        found += [f"{path.name}: {text[max(m.start() - 100, 0) : m.end() + 50]!r}" for m in SECRETS.finditer(text)]
    assert not found, "\n".join(found)
    # The search finds what is there: the rejects file holds people, and only it.
    assert SECRETS.search((tmp_path / "rejects" / "too_many_rejected.csv").read_text())
