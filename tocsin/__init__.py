"""The program: configuration, command line, HTTP interface, wiring, jobs and scenarios."""
