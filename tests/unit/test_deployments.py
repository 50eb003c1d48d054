"""The examples for Compose and Kubernetes name settings, commands, probes and files that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click
import pytest
import yaml
from prefect.settings.legacy import _get_valid_setting_names
from prefect.settings.models.root import Settings as PrefectSettings
from prefect_redis.client import RedisMessagingSettings
from sqlalchemy import create_engine, text

from labelyard.cli import labelyard
from labelyard.domain.states import INGESTING, BatchState
from labelyard.ledger import upgrade
from labelyard.settings import load_settings
from labelyard.sources.health import health_routes
from tests.support.paths import ROOT

FOLDER = ROOT / "deployments"
KUBERNETES = FOLDER / "kubernetes"
SECRETS = {
    "prefect-server": {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "PREFECT_REDIS_MESSAGING_URL",
        "PREFECT_SERVER_DOCKET_URL",
        "PREFECT_SERVER_API_AUTH_STRING",
    },
    "labelyard": {"LABELYARD_LEDGER", "PREFECT_API_AUTH_STRING", "PREFECT_REDIS_MESSAGING_URL"},
}


def manifests() -> list[dict[str, Any]]:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert {path.name for path in KUBERNETES.glob("*.yaml")} == {*listed, "kustomization.yaml"}
    return [one for name in listed for one in yaml.safe_load_all((KUBERNETES / name).read_text())]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in manifests():
        if one["kind"] in ("Job", "Deployment", "StatefulSet"):
            yield one["metadata"]["name"], one["spec"]["template"]


def containers() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    return [
        (f"{name}/{container['name']}", template["spec"], container)
        for name, template in pods()
        for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
    ]


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return read


def config_maps() -> dict[str, dict[str, str]]:
    return {one["metadata"]["name"]: one["data"] for one in manifests() if one["kind"] == "ConfigMap"}


def ours(variables: dict[str, Any]) -> dict[str, str]:
    """What both labelyard and a shell would read."""
    return {name: re.sub(r"\$\{\w+:\?\}", "secret", str(value)) for name, value in variables.items()}


def sets_of_variables() -> list[dict[str, str]]:
    return [*config_maps().values(), *(ours(compose()[name]) for name in ("x-server", "x-labelyard"))]


@pytest.mark.parametrize("variables", sets_of_variables())
def test_every_variable_is_a_setting_with_a_right_value(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_prefect = {name.upper() for name in _get_valid_setting_names(PrefectSettings)}
    of_prefect |= {f"PREFECT_REDIS_MESSAGING_{name.upper()}" for name in RedisMessagingSettings.model_fields}
    of_prefect |= {"PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER", "PREFECT_LOGGING_FORMATTERS_JSON_CLASS"}  # logging.yml
    named = {name for name in variables if name.startswith("PREFECT_")}
    assert named - of_prefect == set()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    load_settings()  # refuses what it does not know
    PrefectSettings()


def test_servers_and_services_share_what_they_must() -> None:
    local = {"memory", "filesystem", "true", "sqlite"}
    for variables in (config_maps()["prefect-server"], ours(compose()["x-server"])):
        keys = ("BROKER", "CACHE", "ORDERING", "LEASE_STORAGE", "MIGRATE_ON_START")
        shared = [value for name, value in variables.items() if name.endswith(keys)]
        assert len(shared) == len(keys)
        assert not [value for value in shared for word in local if word in value]


def commands() -> list[tuple[str, list[str]]]:
    of_compose = [(name, one["command"]) for name, one in compose()["services"].items() if one["image"] == "labelyard"]
    return [*((name, container["command"]) for name, _, container in containers()), *of_compose]


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_can_be_parsed(name: str, command: list[str]) -> None:
    program, *words = command
    if program == "labelyard":
        group: click.Command = labelyard
        while isinstance(group, click.Group):
            found, group_or_command, words = group.resolve_command(click.Context(group), words)
            assert group_or_command is not None, found
            group = group_or_command
        group.make_context(name, words)
        return
    server = ["python", "-m", "labelyard.orchestration.fast_worker.server", "server"]
    known = (
        ["prefect", "server", "database", "upgrade", "-y"],
        ["prefect", "worker", "start", "--pool", "labelyard", "--type", "labelyard"],
        [*server, "start", "--host", "0.0.0.0", "--no-services"],
        [*server, "services", "start"],
    )
    assert command in known  # those that docs/many-machines.md has, too: they were run
    assert " ".join(command) in " ".join((ROOT / "docs" / "many-machines.md").read_text().split())


def test_every_probe_asks_a_path_and_a_port_that_exist() -> None:
    metrics = config_maps()["labelyard"]
    ports = {metrics["LABELYARD_METRICS__WATCHER_PORT"], metrics["LABELYARD_METRICS__WORKER_PORT"]}
    paths = {route.path for route in health_routes(dict)} | {"/api/health", "/api/ready"}
    for name, _, container in containers():
        named = {port["name"]: str(port["containerPort"]) for port in container.get("ports", [])}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container.get(kind, {})
            asked = probe.get("httpGet") or probe.get("tcpSocket")
            if asked is None:
                assert "ports" not in container, name
                continue
            assert asked["port"] in named, name
            assert asked.get("path", "/healthz") in paths, name
            assert asked["port"] != "metrics" or named["metrics"] in ports, name


def test_no_container_can_write_to_its_image_or_become_root() -> None:
    for name, pod, container in containers():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert not pod["automountServiceAccountToken"], name
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert container["securityContext"] == wanted, name
        assert "memory" in container["resources"]["limits"], name
        assert {one["name"] for one in container["volumeMounts"]} <= {one["name"] for one in pod["volumes"]}, name
        sources = {next(iter(one.values()))["name"] for one in container["envFrom"]}
        assert sources <= SECRETS.keys() & config_maps().keys(), name
    for name, one in compose()["services"].items():
        assert one["image"] != "labelyard" or (one["read_only"] and one["cap_drop"] == ["ALL"]), name


def test_the_secrets_hold_what_the_files_leave_out() -> None:
    about = (KUBERNETES / "settings.yaml").read_text().partition("apiVersion")[0]
    assert {name for names in SECRETS.values() for name in names} <= set(re.findall(r"[A-Z_]{6,}", about))
    assert set(compose()["x-server"]) >= SECRETS["prefect-server"]
    assert set(compose()["x-labelyard"]) >= SECRETS["labelyard"]


def test_selectors_find_their_pods() -> None:
    labels = [template["metadata"]["labels"] for _, template in pods()]
    for one in manifests():
        selector = one.get("spec", {}).get("selector")
        if selector:
            assert selector.get("matchLabels", selector) in labels, one["metadata"]["name"]


def test_workers_are_scaled_by_the_batches_that_wait_for_a_run(tmp_path: Any) -> None:
    scaled = list(yaml.safe_load_all((KUBERNETES / "autoscaling" / "scaled-objects.yaml").read_text()))
    targets = {name for name, _ in pods()}
    assert {one["spec"]["scaleTargetRef"]["name"] for one in scaled} <= targets
    [query] = [trigger["metadata"]["query"] for trigger in scaled[0]["spec"]["triggers"]]
    assert set(re.findall(r"'(\w+)'", query)) == {*INGESTING, BatchState.COMPLETED}
    upgrade(f"sqlite:///{tmp_path / 'ledger.db'}")
    with create_engine(f"sqlite:///{tmp_path / 'ledger.db'}").connect() as connection:
        assert connection.scalar(text(query)) == 0
