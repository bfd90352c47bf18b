"""Order-free parts of which detectors are made: whatever order events arrive in, a part ends up equal."""
