"""The ledger of a running Tocsin: sealing, anchors, and what is proved of it."""
