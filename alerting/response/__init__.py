"""What is done about an incident: cutting off, working on the runbook, saving evidence, reporting."""
