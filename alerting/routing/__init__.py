"""Which receivers hear of an incident, when, and how often they are woken."""
