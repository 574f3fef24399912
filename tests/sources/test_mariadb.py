from __future__ import annotations

import gc
import threading
import time
import uuid

import pytest

from airflow_provider_octopush.sources.errors import NotAQueryError, RowsNotReadError
from airflow_provider_octopush.sources.sql import read_sql
from airflow_provider_octopush.text import to_text
from tests.databases import MARIADB, require_mariadb
from tests.sources.engines import Engine, of_kinds
from tests.sources.reading import AirflowHook, read

of_mariadb = of_kinds("mysqlclient", "PyMySQL", "MySQL Connector")


@of_mariadb
def test_bits_are_a_number(engine: Engine, table: str) -> None:
    engine.run(f"ALTER TABLE {table} ADD a BIT(1), ADD b BIT(20), ADD c BIT(64), ADD d BINARY(1)")
    engine.run(f"INSERT INTO {table} VALUES (2, 1, 70000, ~0, 'x'), (3, 0, 0, 0, 'x')")
    rows = read(engine.hook, f"SELECT a, b, c, d FROM {table} ORDER BY id")[1]
    assert [row[:3] for row in rows] == [[None] * 3, [1, 70000, 2**64 - 1], [0, 0, 0]]
    assert [to_text(value) for value in rows[1]] == ["1", "70000", "18446744073709551615", "x"]


@of_mariadb
def test_parameters_are_taken_by_place_and_by_name(engine: Engine) -> None:
    sql = "SELECT seq FROM seq_1_to_9 WHERE seq % 2 = 0"
    assert read(engine.hook, sql)[1] == [[2], [4], [6], [8]]
    sql = sql if "Connector" in engine.kind else sql.replace("%", "%%")
    assert read(engine.hook, f"{sql} AND seq > %s", [5])[1] == [[6], [8]]
    assert read(engine.hook, f"{sql} AND seq > %(least)s", {"least": 5})[1] == [[6], [8]]


@of_kinds("mysqlclient", "PyMySQL")
def test_the_server_stops_when_the_consumer_does(engine: Engine) -> None:
    mark = uuid.uuid4().hex
    frames = read_sql(engine.hook, f"SELECT seq, repeat('{mark}', 3) FROM seq_1_to_100000000", batch_size=10)
    next(frames)
    started = time.monotonic()
    frames.close()
    del frames
    gc.collect()
    running = (
        f"SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%{mark}%' AND id <> connection_id()"
    )
    # All rows would take minutes.
    while engine.run(running) != [(0,)]:
        assert time.monotonic() - started < 20
        time.sleep(0.1)


def test_the_server_waits_for_a_slow_consumer(airflow_hook: AirflowHook) -> None:
    require_mariadb()
    hook = airflow_hook(MARIADB, hook_params={"init_command": "SET SESSION net_write_timeout = 1"})
    rows = 0
    for frame in read_sql(hook, "SELECT seq, repeat('x', 1000) FROM seq_1_to_50000"):
        if not rows:
            time.sleep(2.5)
        rows += len(frame)
    assert rows == 50_000


@of_mariadb
@pytest.mark.parametrize("sql", ["TRUNCATE TABLE {}", "DROP TABLE {}"])
def test_what_leaves_a_transaction_changes_nothing_either(
    engine: Engine, table: str, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.run(f"ALTER TABLE {table} ENGINE=Aria")
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    with pytest.raises(RowsNotReadError, match="READ ONLY transaction"):
        read(engine.hook, sql.replace("{}", table))
    assert engine.run(f"SELECT * FROM {table}") == [(1,)]


@of_mariadb
def test_what_a_procedure_changes_is_its_own_affair(engine: Engine, table: str) -> None:
    engine.run(
        f"CREATE PROCEDURE {table}_fill() BEGIN INSERT INTO {table} VALUES (7); SELECT max(id) FROM {table}; END"
    )
    assert read(engine.hook, f"CALL {table}_fill()")[1] == [[7]]
    engine.run(f"DROP PROCEDURE {table}_fill")


@of_mariadb
def test_a_procedure_that_gives_the_rows_of_two_queries_or_of_none_is_an_error(engine: Engine, table: str) -> None:
    engine.run(f"CREATE PROCEDURE {table}_twice() BEGIN SELECT 1 AS a; SELECT 2 AS a; END")
    engine.run(f"CREATE PROCEDURE {table}_never() BEGIN END")
    frames = read_sql(engine.hook, f"CALL {table}_twice()")
    assert next(frames)["a"].tolist() == [1]
    with pytest.raises(NotAQueryError, match="gives the rows of several queries"):
        next(frames)
    with pytest.raises((NotAQueryError, RowsNotReadError)):
        next(read_sql(engine.hook, f"CALL {table}_never()"))
    for name in ("twice", "never"):
        engine.run(f"DROP PROCEDURE {table}_{name}")


@of_mariadb
@pytest.mark.parametrize("how", ["KILL {}", "KILL QUERY {}"])
def test_a_query_that_somebody_ends_can_be_tried_again(engine: Engine, how: str) -> None:
    sql = "SELECT connection_id() AS id, if(seq > 5, sleep(1), 0), repeat('x', 20000) FROM seq_1_to_20"
    frames = read_sql(engine.hook, sql, batch_size=5)
    end = how.replace("{}", str(next(frames)["id"][0]))
    timer = threading.Timer(0.3, lambda: engine.run(end))
    timer.start()
    with pytest.raises(RowsNotReadError):
        list(frames)
    timer.join()
