"""What this provider has put on a list: sealed, read before a run, written down before anything is done."""
