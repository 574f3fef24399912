"""What a list holds, as far as we put it there: sealed, read before a run, written down before anything is done."""
