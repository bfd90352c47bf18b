"""The engine: owns all keyed state, and folds frames through the detectors in a defined order."""
