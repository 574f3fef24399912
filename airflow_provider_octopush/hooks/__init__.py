"""HTTP and Octopush, one request at a time."""
