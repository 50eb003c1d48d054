"""Run the command `cvat-sandbox` as `python -m cvat_sandbox`."""

from __future__ import annotations

from cvat_sandbox.cli import main

if __name__ == "__main__":
    main()
