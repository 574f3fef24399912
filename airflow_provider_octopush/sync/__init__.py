"""One run, from the first row to the summary."""
