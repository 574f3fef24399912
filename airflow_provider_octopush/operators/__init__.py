"""Parameters, their documentation, and the wiring of a run."""
