"""`python -m labelyard`: the command line, for processes that labelyard itself starts."""

from labelyard.cli import main

main()
