"""Pure decisions: they look at values and answer with a plan; nothing here does anything."""
