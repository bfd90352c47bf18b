"""One file a format: the bytes of one record become events, or a named reason why not."""
