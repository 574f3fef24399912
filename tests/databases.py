"""Where the databases of the tests are, and what happens where there are none."""

from __future__ import annotations

import os
from typing import Any, NoReturn

import pytest

#: Fields of an Airflow connection; the variables are those that the databases' own clients read.
POSTGRES: dict[str, Any] = {
    "conn_type": "postgres",
    "host": os.environ.get("PGHOST", "127.0.0.1"),
    "port": int(os.environ.get("PGPORT", "5432")),
    "login": os.environ.get("PGUSER", "postgres"),
    "password": os.environ.get("PGPASSWORD", ""),
    "schema": os.environ.get("PGDATABASE", "test"),
}
MARIADB: dict[str, Any] = {
    "conn_type": "mysql",
    "host": os.environ.get("MYSQL_HOST", "127.0.0.1"),
    "port": int(os.environ.get("MYSQL_TCP_PORT", "3306")),
    "login": os.environ.get("MYSQL_USER", "root"),
    "password": os.environ.get("MYSQL_PWD", ""),
    "schema": os.environ.get("MYSQL_DATABASE", "test"),
}


def require_postgres() -> None:
    """Skip the test where PostgreSQL or its driver is missing; on CI, fail."""
    try:
        import psycopg2
    except ImportError:
        _missing("psycopg2, the driver for PostgreSQL, is not installed")
    try:
        connect_postgres().close()
    except psycopg2.OperationalError:
        _missing(f"PostgreSQL does not answer on {POSTGRES['host']}:{POSTGRES['port']} (PGHOST, PGPORT, … say where)")


def require_mariadb() -> None:
    """Skip the test where MariaDB or its driver is missing; on CI, fail."""
    try:
        import MySQLdb
    except ImportError:
        _missing("mysqlclient, the driver for MariaDB, is not installed")
    try:
        connect_mariadb().close()
    except MySQLdb.OperationalError:
        _missing(
            f"MariaDB does not answer on {MARIADB['host']}:{MARIADB['port']} (MYSQL_HOST, MYSQL_TCP_PORT, … say where)"
        )


def connect_postgres() -> Any:
    """Open a connection of the tests' own, with autocommit."""
    import psycopg2

    connection = psycopg2.connect(
        host=POSTGRES["host"],
        port=POSTGRES["port"],
        user=POSTGRES["login"],
        password=POSTGRES["password"],
        dbname=POSTGRES["schema"],
        connect_timeout=5,
    )
    connection.autocommit = True
    return connection


def connect_mariadb() -> Any:
    """Open a connection of the tests' own, with autocommit."""
    import MySQLdb

    return MySQLdb.connect(
        host=MARIADB["host"],
        port=MARIADB["port"],
        user=MARIADB["login"],
        password=MARIADB["password"],
        database=MARIADB["schema"],
        connect_timeout=5,
        autocommit=True,
    )


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
