"""Syslog as it comes over the wire: framing and headers, without any I/O."""
