"""The history of a sync in Airflow's own pages: the plugin, the files that it serves, and the link of a task."""
