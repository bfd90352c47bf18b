"""What Tocsin says of itself, and how its processes are kept well."""
