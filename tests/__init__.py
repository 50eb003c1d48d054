"""The tests of labelyard."""
