"""SQL Server, by pymssql."""

from __future__ import annotations

from airflow_provider_octopush.sources.databases.codes import states
from airflow_provider_octopush.sources.databases.driver import Driver

_STATES = {
    "08006": {20002, 20003, 20004, 20006, 20009, 20047},
    "28000": {18456},
    "40001": {1205},
    "42000": {102, 105, 156, 207, 208, 229, 916, 2812, 4104, 8120},
}

SQL_SERVER = Driver(parameters=("%s", "%(name)s"), state=states(_STATES))
