"""The shared language (finding, frame, directory, facts, denials, errors) and the log that everything flows through."""
