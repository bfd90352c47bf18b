"""What goes and what stays: retention, holds and erasure."""
