"""Where the databases and the broker of the tests are, and what happens where there are none."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
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


#: The same, as arguments of the drivers' ``connect``.
POSTGRES_ARGUMENTS: dict[str, Any] = {
    "host": POSTGRES["host"],
    "port": POSTGRES["port"],
    "user": POSTGRES["login"],
    "password": POSTGRES["password"],
    "dbname": POSTGRES["schema"],
}
MARIADB_ARGUMENTS: dict[str, Any] = {
    "host": MARIADB["host"],
    "port": MARIADB["port"],
    "user": MARIADB["login"],
    "password": MARIADB["password"],
    "database": MARIADB["schema"],
}

#: ClickHouse's client reads these too, but for the port.
CLICKHOUSE: dict[str, Any] = {
    "conn_type": "clickhouse",
    "host": os.environ.get("CLICKHOUSE_HOST", "127.0.0.1"),
    "port": int(os.environ.get("CLICKHOUSE_PORT", "9000")),
    "login": os.environ.get("CLICKHOUSE_USER", "default"),
    "password": os.environ.get("CLICKHOUSE_PASSWORD", ""),
    "schema": "default",
}
CLICKHOUSE_ARGUMENTS: dict[str, Any] = {
    "host": CLICKHOUSE["host"],
    "port": CLICKHOUSE["port"],
    "user": CLICKHOUSE["login"],
    "password": CLICKHOUSE["password"],
}

#: PostgreSQL by way of ODBC and of JDBC: the driver's name in odbcinst.ini, and the JAR, where Debian has them.
ODBC_DRIVER = os.environ.get("POSTGRES_ODBC_DRIVER", "PostgreSQL Unicode")
JDBC_JAR = Path(os.environ.get("POSTGRES_JDBC_JAR", "/usr/share/java/postgresql.jar"))

#: Redis has no variables of its own; this one is Celery's and Flower's habit.
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


def require_postgres() -> None:
    """Skip the test where PostgreSQL or its driver is missing; on CI, fail."""
    where = f"{POSTGRES['host']}:{POSTGRES['port']} (set PGHOST, PGPORT, …)"
    _require("PostgreSQL", "psycopg2", "OperationalError", connect_postgres, where)


def require_mariadb() -> None:
    """Skip the test where MariaDB or its driver is missing; on CI, fail."""
    where = f"{MARIADB['host']}:{MARIADB['port']} (set MYSQL_HOST, MYSQL_TCP_PORT, …)"
    _require("MariaDB", "MySQLdb", "OperationalError", connect_mariadb, where)


def require_redis() -> None:
    """Skip the test where Redis or its client is missing; on CI, fail."""
    _require("Redis", "redis", "ConnectionError", connect_redis, f"{REDIS_URL} (set REDIS_URL)")


def require_clickhouse() -> None:
    """Skip the test where ClickHouse or its driver is missing; on CI, fail."""
    where = f"{CLICKHOUSE['host']}:{CLICKHOUSE['port']} (set CLICKHOUSE_HOST, CLICKHOUSE_PORT, …)"
    _require("ClickHouse", "clickhouse_driver.errors", "NetworkError", connect_clickhouse, where)


def require_odbc() -> Any:
    """Skip the test where pyodbc, PostgreSQL or its ODBC driver is missing; on CI, fail."""
    require_postgres()
    pyodbc = require_package("pyodbc")
    if ODBC_DRIVER not in pyodbc.drivers():
        _missing(f"there is no ODBC driver {ODBC_DRIVER!r} (set POSTGRES_ODBC_DRIVER; Debian: odbc-postgresql)")
    return pyodbc


def require_jdbc() -> Any:
    """Skip the test where JayDeBeApi, Java, PostgreSQL or its JDBC driver is missing; on CI, fail."""
    require_postgres()
    jaydebeapi = require_package("jaydebeapi")
    if shutil.which("java") is None or not JDBC_JAR.exists():
        _missing(f"there is no Java or no {JDBC_JAR} (set POSTGRES_JDBC_JAR; Debian: libpostgresql-jdbc-java)")
    return jaydebeapi


def require_package(name: str) -> Any:
    """Skip the test where a package is missing; on CI, fail."""
    try:
        return importlib.import_module(name)
    except ImportError:
        _missing(f"{name} is not installed")


def connect_postgres() -> Any:
    """Open a connection of the tests' own, with autocommit."""
    connection = importlib.import_module("psycopg2").connect(**POSTGRES_ARGUMENTS, connect_timeout=5)
    connection.autocommit = True
    return connection


def connect_mariadb() -> Any:
    """Open a connection of the tests' own, with autocommit."""
    return importlib.import_module("MySQLdb").connect(**MARIADB_ARGUMENTS, connect_timeout=5, autocommit=True)


def connect_clickhouse() -> Any:
    """Open a connection of the tests' own, which answers."""
    connection: Any = importlib.import_module("clickhouse_driver").connect(**CLICKHOUSE_ARGUMENTS, connect_timeout=5)
    connection.cursor().execute("SELECT 1")
    return connection


def connect_redis() -> Any:
    """Open a connection of the tests' own."""
    redis: Any = importlib.import_module("redis").Redis.from_url(REDIS_URL, socket_connect_timeout=5)
    redis.ping()
    return redis


def _require(service: str, driver: str, unreachable: str, connect: Callable[[], Any], where: str) -> None:
    try:
        error = getattr(importlib.import_module(driver), unreachable)
    except ImportError:
        _missing(f"{driver}, the driver for {service}, is not installed")
    try:
        connect().close()
    except error:
        _missing(f"{service} does not answer on {where}")


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
