"""New files in object storage become assigned CVAT tasks and then checked datasets."""

from importlib.metadata import version as _version

__all__ = ["__version__"]

__version__ = _version("labelyard")
"""The installed version."""
