"""State and rules: the database, and what CVAT allows, writes and derives. Nothing here knows HTTP or an API family."""
