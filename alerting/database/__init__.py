"""The alerts' database: its tables, its transactions, and what lies encrypted in it."""
