"""The names by which datasets and the ledger call a CVAT: `default`, or `default/acme` for an organization there."""

from __future__ import annotations


def cvat_name(server: str, organization: str = "") -> str:
    """Return the name of an organization at a server, or of the server itself."""
    return f"{server}/{organization}" if organization else server


def server_of(name: str) -> str:
    """Return the server's name in the settings, without the organization."""
    return name.partition("/")[0]


def organization_of(name: str) -> str:
    """Return the organization's short name; empty if the name has none."""
    return name.partition("/")[2]


def settings_key(name: str) -> str:
    """Return a form of a server's name that is the same for the dataset file (`night-shift`) and the settings.

    The names of variables have no hyphens.
    """
    return server_of(name).replace("-", "_").lower()
