"""Lists as assets of Airflow, and what their events say."""
