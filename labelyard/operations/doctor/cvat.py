"""Every CVAT answers, accepts the account, lets it create tasks, and has the annotators of its datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from labelyard.config import DatasetSpec
from labelyard.cvat import Cvat, connect
from labelyard.domain.tasks import User
from labelyard.operations.doctor.check import Check, CheckResult, Installation, fail, ok

_TIMEOUT = 10.0
_MAY_CREATE = frozenset({"admin", "user", "business"})
"""CVAT's groups whose members may create tasks: the first two of 1.x, all of 2.x."""


def checks(installation: Installation) -> Mapping[str, Check]:
    """Return a check for each CVAT that a dataset or the settings name."""
    names = {spec.cvat for spec in installation.datasets} | set(installation.settings.cvat)
    if not names:
        return {"CVAT": _no_cvat}
    return {f"CVAT {name}": partial(_check_cvat, name) for name in sorted(names)}


def _no_cvat(_installation: Installation) -> Iterator[CheckResult]:
    yield fail("CVAT", "none is named", "set LABELYARD_CVAT__DEFAULT__URL and its USERNAME and PASSWORD")


def _check_cvat(name: str, installation: Installation) -> Iterator[CheckResult]:
    at = installation.settings.cvat_named(name)
    cvat = connect(
        at.url, username=at.username, password=at.password, token=at.token, dialect=at.dialect, timeout=_TIMEOUT
    )
    try:
        yield _check_account(cvat, name)
        users = {user.username: user for user in cvat.users()}
    finally:
        cvat.close()
    for spec in (spec for spec in installation.datasets if spec.cvat == name):
        yield _check_annotators(spec, users, cvat)


def _check_account(cvat: Cvat, name: str) -> CheckResult:
    about, me = cvat.about(), cvat.whoami()
    if me.is_superuser or _MAY_CREATE & set(me.groups):
        return ok(f"CVAT {name}", f"{cvat.url}: {about.name} {about.version}, as {me.username}")
    groups = ", ".join(me.groups) or "none"
    message = f"{me.username} may not create tasks (its groups: {groups})"
    next_step = f"make {me.username} a member of the group user or admin in {cvat.url}/admin"
    return fail(f"CVAT {name}", message, next_step)


def _check_annotators(spec: DatasetSpec, users: Mapping[str, User], cvat: Cvat) -> CheckResult:
    name, annotators = f"annotators of {spec.name}", spec.annotators
    missing = [annotator for annotator in annotators if annotator not in users]
    inactive = [annotator for annotator in annotators if annotator in users and not users[annotator].is_active]
    parts = [f"{cvat.url} has no user {', '.join(missing)}"] if missing else []
    parts += [f"{', '.join(inactive)} may not log in"] if inactive else []
    if parts:
        add = "labelyard cvat register" if cvat.can_register else f"add the user in {cvat.url}"
        return fail(name, "; ".join(parts), f"{add}, or correct `annotators` and labelyard apply FILE")
    return ok(name, ", ".join(annotators))
