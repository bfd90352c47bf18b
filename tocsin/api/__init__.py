"""`/api/v1`: what operators ask and do, one file a matter."""
