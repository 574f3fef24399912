"""Lists as Airflow assets, and the content of their events."""
