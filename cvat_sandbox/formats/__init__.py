"""The annotation formats: `registry` lists them, and each of the other modules writes or reads one of them."""
