"""Incidents: what is kept of them, how they live, what links them, and who may see what."""
