"""What the log in SQLite files is made of."""
