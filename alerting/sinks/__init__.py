"""One file a sink: where alerts are delivered."""
