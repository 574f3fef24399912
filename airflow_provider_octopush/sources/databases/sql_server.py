"""SQL Server, through pymssql."""

from __future__ import annotations

from airflow_provider_octopush.sources.databases.codes import quotable
from airflow_provider_octopush.sources.databases.driver import Driver

SQL_SERVER = Driver(is_quotable=quotable(102, 105, 156, 207, 208, 229, 916, 2812, 4104, 8120, 18456))
