"""The jobs of the worker threads: creation of frames, exports and imports, and the files that they read."""
