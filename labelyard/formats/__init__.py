"""Dataset formats: reading and writing them, and checking what they hold."""
