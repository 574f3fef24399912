"""What the platform is told of a run: metrics and lineage."""
