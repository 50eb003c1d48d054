"""The steps of prefect.yaml: `installed_version` when deploying, `project_folder` when a worker loads a flow."""

from __future__ import annotations

from pathlib import Path

import labelyard
from labelyard.errors import InputError, OtherVersion


def installed_version() -> dict[str, str]:
    """Return the version of labelyard that deploys, for the templates of prefect.yaml."""
    return {"version": labelyard.__version__}


def project_folder(version: str) -> dict[str, str]:
    """Return the folder of flows/ and tasks/ on this machine, as the working directory of a run.

    Raises OtherVersion if another `version` of labelyard than the installed one created the deployment.
    """
    installed = labelyard.__version__
    if version != installed:
        raise OtherVersion(
            f"this worker has labelyard {installed}, the deployment was made by labelyard {version}",
            next_step=f"pip install labelyard=={version} on the worker's machine, or `labelyard deploy` from this one",
        )
    return {"directory": str(find_project())}


def find_project() -> Path:
    """Return the folder of flows/, tasks/, deployments/ and prefect.yaml: inside the wheel, or the checkout."""
    package = Path(labelyard.__file__).resolve().parent
    for folder in (package / "_project", package.parent):
        if (folder / "prefect.yaml").is_file() and (folder / "flows").is_dir():
            return folder
    raise InputError(
        f"no flows beside {package}", next_step="install the wheel of labelyard, or `make test` in a checkout"
    )
