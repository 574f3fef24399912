"""Operators on the rows that a function returns or yields."""
