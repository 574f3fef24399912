"""What to write in place of text that was given as rows."""

from __future__ import annotations


def instead_of_text(text: str | bytes | bytearray | memoryview, *, is_data: bool = True) -> str:
    """
    Say what to write.

    :param text: that was given as rows; nothing of it is in the answer.
    :param is_data: whether it was given as ``data``, in place of which other parameters can be written.
    """
    if not is_data:
        return "make rows of it, such as json.loads(…) or csv.DictReader(…) of it"
    start = text.lstrip()[:2] if isinstance(text, str) else ""
    if isinstance(text, str) and "{{" in text:
        return "data is no template: write data=task.output, or what a @task function returned"
    if start[:1] in ("[", "{"):
        return "for rows in JSON, return json.loads(…) of it, or write them to a file and its path as data_path=…"
    return "for a file, write its path as data_path=…"
