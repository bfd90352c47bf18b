"""What `failed_auth` is made of: reasons, and a view of failures for each kind of entity."""
