"""Whether and why somebody is told of a finding."""
