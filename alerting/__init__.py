"""Findings become incidents, and incidents become messages, pages and runbook steps."""
