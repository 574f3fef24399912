"""
The same rows, by other means. Each of these scripts runs in an environment of its own, and imports nothing of ours.

What they are given: ``DATABASE`` (the SQLite file), ``QUERY``, and ``ENDPOINT``; what they write: the seconds of their
run, without imports. The settings that are not named are the peer's defaults.
"""
