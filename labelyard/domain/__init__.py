"""Values and pure decisions: states, batching, naming, assignment, backoff, plans. Nothing here does I/O."""
