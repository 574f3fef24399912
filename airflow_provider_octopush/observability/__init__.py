"""What the platform is told about a run: metrics and lineage."""
