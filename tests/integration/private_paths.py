"""The paths that a run can take, for the search of what each leaves behind."""

from __future__ import annotations

from typing import Any

SQL = "SELECT * FROM customers"
LEAKY = "{phone_number} of {first_name} {last_name}, {param1}"

#: Name → parameters of the operator, behaviour of the simulator, faults.
PATHS: dict[str, tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]] = {
    "succeeds": ({"max_rejected": "100%"}, {}, []),
    "too_many_rejected": ({}, {}, []),
    "refused_contacts": ({}, {"refused": ["+33698765432"], "refusal_message": LEAKY}, []),
    "everything_refused": ({}, {"refused_fields": {"param1": "Goldfinger"}, "refusal_message": LEAKY}, []),
    "unmentioned": ({}, {"unmentioned": ["+33698765432"]}, []),
    "unknown_status": ({"max_rejected": "100%"}, {"statuses": {"+33698765432": "bad: +33698765432 Balthazar"}}, []),
    "a_name_as_status": ({"max_rejected": "100%"}, {"statuses": {"+33698765432": "Balthazar"}}, []),
    "wrong_key": ({"octopush_conn_id": "octopush_wrong"}, {}, []),
    "no_key": ({"octopush_conn_id": "octopush_empty"}, {}, []),
    "rate_limited": ({}, {}, [{"status": 429, "retry_after": "0"}] * 4),
    "server_error": ({}, {}, [{"status": 500, "body": "html"}] * 4),
    "dropped": ({}, {}, [{"drop": True}] * 4),
    "answer_lost": ({}, {}, [{"drop": True, "stored": True}] * 4),
    "answer_cut": ({}, {}, [{"body": "half", "stored": True}] * 4),
    "not_json": ({}, {}, [{"status": 200, "body": "html", "stored": True}]),
    "not_found": ({}, {}, [{"status": 404, "body": "html"}]),
    "missing_column": ({"columns": {"phone_number": "nowhere"}}, {}, []),
    "wrong_sql": ({"sql": "SELECT nothing FROM nowhere"}, {}, []),
    "database_fails": ({"sql": f"{SQL} UNION ALL SELECT abs(-9223372036854775808), '', '', ''"}, {}, []),
    "long_name": ({"list_name": "{{ 'x' * 31 }}"}, {}, []),
    "dry_run": ({"dry_run": True, "max_rejected": "100%"}, {}, []),
    "function_yields": ({"max_rejected": "100%"}, {}, []),
    "function_returns": ({"max_rejected": "100%"}, {}, []),
    "function_too_many_rejected": ({}, {}, []),
    "function_is_broken": ({}, {}, []),
    "function_gives_no_rows": ({}, {}, []),
    "function_server_error": ({}, {}, [{"status": 500, "body": "html"}] * 4),
    "no_rejects_file": ({"rejects_path": "/proc/nowhere/rejects.csv"}, {}, []),
}
