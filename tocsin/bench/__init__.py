"""Speed on this machine: what an event costs on its way, printed and never a test."""
