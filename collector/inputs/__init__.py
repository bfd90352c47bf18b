"""The inputs that are configured: each module is one, and exposes `INPUT`."""
