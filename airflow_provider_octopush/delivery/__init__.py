"""Chunks of contacts → exactly one outcome for each contact."""
