"""Asks a real account what Octopush's documentation leaves open."""
