"""Why somebody was not told of an event: its place in the log, its judgement, the counters, and what came of it."""
