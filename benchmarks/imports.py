"""What a Dag file pays for one import, on top of Airflow, in this fresh process; writes JSON."""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import sys
import time

os.environ.update(AIRFLOW__CORE__LOAD_EXAMPLES="False", AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR")

from airflow.providers.common.compat import sdk


def measure(module: str) -> dict[str, float]:
    """
    Import a module.

    :return: seconds of CPU time, and by how many MB the process has grown.
    """
    # What any Dag file has in memory already.
    for name in ("DAG", "BaseOperator", "BaseHook", "XComArg"):
        getattr(sdk, name)
    # So that it is this import's own objects that Python's garbage collector looks at.
    gc.collect()
    before, started = _rss(), time.process_time()
    importlib.import_module(module)
    return {"cpu_seconds": time.process_time() - started, "megabytes": _rss() - before}


def _rss() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(measure(sys.argv[1]))}\n")
