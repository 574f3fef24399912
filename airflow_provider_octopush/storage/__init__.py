"""Where Airflow keeps what a task leaves behind: its progress, and its rejected rows."""
