"""drt-core, from SQLite to its REST destination in ``body_mode: batch``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

PROFILES = """
default:
  type: sqlite
  database: {database}
"""
PROJECT = """
name: benchmark
profile: default
"""
SYNC = """
name: benchmark
model: {query}
destination:
  type: rest_api
  url: {endpoint}
  headers: {{Content-Type: application/json, api-login: login, api-key: key}}
  body_mode: batch
  batch_template: '{{"contacts": {{{{ rows | tojson }}}}, "list_name": "Benchmark"}}'
sync:
  mode: full
  batch_size: 200
"""

with tempfile.TemporaryDirectory() as folder:
    os.environ.update(HOME=folder, DRT_TELEMETRY_DISABLED="1", DO_NOT_TRACK="1")
    (Path(folder) / ".drt").mkdir()
    (Path(folder) / ".drt" / "profiles.yml").write_text(PROFILES.format(database=os.environ["DATABASE"]))
    (Path(folder) / "drt_project.yml").write_text(PROJECT)
    (Path(folder) / "syncs").mkdir()
    sync = SYNC.format(query=json.dumps(os.environ["QUERY"]), endpoint=os.environ["ENDPOINT"])
    (Path(folder) / "syncs" / "benchmark.yml").write_text(sync)

    from drt.integrations._runner import run_drt_sync

    started = time.perf_counter()
    result = run_drt_sync("benchmark", project_dir=folder)
    seconds = time.perf_counter() - started
    if result["status"] != "success":
        raise SystemExit(str(result))
    sys.stdout.write(f"\n{seconds}\n")
