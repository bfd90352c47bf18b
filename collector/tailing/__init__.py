"""Following files that others write: finding them again, cutting them into records, remembering how far."""
