"""Inspection: what stands in content that is not kept, as signals."""
