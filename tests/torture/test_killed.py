from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

from airflow_provider_octopush.simulator import Behaviour, Simulator
from tests.torture.killed import Forker
from tests.torture.runs import LIST, make_rows

SEEDS = int(os.environ.get("KILLED_SEEDS", "3"))


def test_a_task_that_is_killed_again_and_again_completes_the_list_and_tells_the_truth(
    octopush: Simulator, forker: Forker, tmp_path: Path
) -> None:
    kills = 0
    for seed in range(SEEDS):
        rng = random.Random(seed)
        rows = make_rows(random.Random(seed))
        numbers = sorted({row.payload["phone_number"] for row in rows if row.payload})
        refused = frozenset(number for number in numbers if rng.random() < 0.05)
        octopush.reset(Behaviour(latency=0.004, refused=refused, order="shuffled", seed=seed))
        options = {"chunk_size": rng.choice([1, 3, 10]), "concurrency": rng.choice([1, 2, 4])}
        job = {
            "seed": seed,
            "connection": os.environ["AIRFLOW_CONN_OCTOPUSH_DEFAULT"],
            "summary": str(tmp_path / f"{seed}.summary"),
            "options": {**options, "rejects_path": str(tmp_path / "rejects.csv")},
        }
        code, tries = -signal.SIGKILL, 0
        while code == -signal.SIGKILL:
            pid = forker.start(job)
            tries += 1
            if tries < 8:
                time.sleep(rng.random() * 0.15)
                # It may be done by then.
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            code = forker.return_code()
        assert code == 0
        summary = json.loads((tmp_path / f"{seed}.summary").read_text())
        where = f"seed {seed}"
        assert octopush.lists.get(LIST, set()) == set(numbers) - refused, where
        assert summary["read"] == len(rows), where
        assert summary["added"] + summary["updated"] == len(numbers) - len(refused), where
        assert (summary["refused"], summary["other"], summary["unconfirmed"]) == (len(refused), 0, 0), where
        kills += tries - 1
    assert kills >= SEEDS
