"""Rows, in bounded memory, as an iterator of DataFrames."""
