"""The table of dialects. A new API family is one module with a `Dialect`, and one line here."""

from __future__ import annotations

from labelyard.cvat.dialect import Dialect
from labelyard.cvat.v1 import V1
from labelyard.cvat.v2 import V2

DIALECTS: dict[str, Dialect] = {"v1": V1(), "v2": V2()}
"""The dialects by their names in the settings; `auto` probes the server with each, in this order."""
