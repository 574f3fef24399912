"""What to write in place of text that was given as rows."""

from __future__ import annotations


def instead_of_text(text: str | bytes | bytearray | memoryview, *, is_data: bool = True) -> str:
    """
    Say what to write instead.

    :param text: text that was given as rows; nothing of it is in the answer.
    :param is_data: whether it was given as ``data``, which has other parameters beside it.
    """
    if not is_data:
        return "turn it into rows, such as by json.loads(…) or csv.DictReader(…)"
    start = text.lstrip()[:2] if isinstance(text, str) else ""
    if isinstance(text, str) and "{{" in text:
        return "data is not a template: write data=task.output, or what a @task function returned"
    if start[:1] in ("[", "{"):
        return "for rows in JSON, return json.loads(…), or write them to a file and give its path as data_path=…"
    return "for a file, give its path as data_path=…"
