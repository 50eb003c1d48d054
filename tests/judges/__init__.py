"""Dataset files, read by readers that are not ours. `make test-judges` runs them, in an environment of their own."""
