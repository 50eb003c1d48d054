"""The manifests for Kubernetes, read by its own schemas."""

from __future__ import annotations

import kubernetes_validate
import pytest
import yaml

from tests.support.paths import ROOT

FILES = sorted((ROOT / "deployments" / "kubernetes").glob("*.yaml"))
VERSIONS = ["1.30", "1.33"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_has_the_fields_of_its_kind_and_no_other(version: str) -> None:
    kinds = [
        kubernetes_validate.validate(one, version, strict=True)
        for path in FILES
        if path.name != "kustomization.yaml"
        for one in yaml.safe_load_all(path.read_text())
    ]
    assert len(kinds) > 10
