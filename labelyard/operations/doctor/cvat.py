"""Every CVAT answers, accepts the account, lets it create tasks, and has the annotators of its datasets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from labelyard.config import DatasetSpec, UploadMethod
from labelyard.cvat import Cvat, connect
from labelyard.cvat_names import server_of
from labelyard.domain.tasks import AccessToken, User
from labelyard.errors import CvatUnauthorized
from labelyard.operations.doctor.check import Check, CheckResult, Installation, Status, fail, ok, warning
from labelyard.settings import Settings

_TIMEOUT = 10.0
_MAY_CREATE = frozenset({"admin", "user", "business"})
"""CVAT's groups whose members may create tasks: the first two of 1.x, all of 2.x."""
_EXPIRES_SOON = timedelta(days=14)
_MAY_MANAGE = frozenset({"owner", "maintainer"})
"""The roles in an organization that see all of its tasks and projects."""


def checks(installation: Installation) -> Mapping[str, Check]:
    """Return a check for each CVAT that a dataset or the settings name; none for one whose block could not be read."""
    cvats = installation.settings.cvat
    names = {spec.cvat for spec in installation.datasets} | set(cvats)
    unread = {name.replace("-", "_") for name, at in cvats.items() if at.block}
    if not names:
        return {"CVAT": _no_cvat}
    names -= {name for name in names if server_of(name).replace("-", "_") in unread}
    return {f"CVAT {name}": partial(_check_cvat, name) for name in sorted(names)}


def _no_cvat(_installation: Installation) -> Iterator[CheckResult]:
    yield fail("CVAT", "none is named", "set LABELYARD_CVAT__DEFAULT__URL and its USERNAME and PASSWORD")


def _check_cvat(name: str, installation: Installation) -> Iterator[CheckResult]:
    at = installation.settings.cvat_named(name)
    cvat = connect(
        at.url, username=at.username, password=at.password, token=at.token, dialect=at.dialect,
        organization=at.organization, timeout=_TIMEOUT,
    )  # fmt: skip
    try:
        yield _check_account(cvat, name)
        if (token := cvat.access_token()) is not None:
            yield _check_token(token, name, datetime.now(UTC))
        if cvat.organization:
            yield (membership := _check_membership(cvat, name))
            if membership.status is Status.FAIL:
                return
        users = {user.username: user for user in cvat.users()}
        assignable = {user.username for user in cvat.assignable_users()}
        for bucket in _cloud_buckets(installation, name):
            yield _check_cloud_storage(cvat, name, bucket, installation.settings)
    finally:
        cvat.close()
    for spec in (spec for spec in installation.datasets if spec.cvat == name):
        yield _check_annotators(spec, users, assignable, cvat)


def _check_account(cvat: Cvat, name: str) -> CheckResult:
    about, me = cvat.about(), cvat.whoami()
    if me.is_superuser or _MAY_CREATE & set(me.groups):
        return ok(f"CVAT {name}", f"{cvat.url}: {about.name} {about.version}, as {me.username}")
    groups = ", ".join(me.groups) or "none"
    message = f"{me.username} may not create tasks (its groups: {groups})"
    next_step = f"make {me.username} a member of the group user or admin in {cvat.url}/admin"
    return fail(f"CVAT {name}", message, next_step)


def _check_token(token: AccessToken, name: str, now: datetime) -> CheckResult:
    """Check that a personal access token may write, and does not expire soon."""
    title, variable = f"token of CVAT {name}", f"LABELYARD_CVAT__{server_of(name).upper().replace('-', '_')}__TOKEN"
    if token.read_only:
        next_step = f"make one that may write in CVAT, and set {variable}"
        return fail(title, f"the personal access token {token.name!r} is read-only", next_step)
    if token.expires is None:
        return ok(title, f"{token.name!r}, which never expires")
    message = f"{token.name!r} expires on {token.expires:%Y-%m-%d}"
    if token.expires - now < _EXPIRES_SOON:
        return warning(title, message, f"make another one in CVAT, and set {variable}")
    return ok(title, message)


def _cloud_buckets(installation: Installation, name: str) -> list[str]:
    specs = (spec for spec in installation.datasets if spec.cvat == name and spec.task.upload is UploadMethod.CLOUD)
    return sorted({spec.sources[0].bucket for spec in specs})


def _check_cloud_storage(cvat: Cvat, name: str, bucket: str, settings: Settings) -> CheckResult:
    """Check that CVAT has the bucket, or that the settings say how to register it."""
    from labelyard.pipeline.cloud_storage import (  # noqa: PLC0415 - slow to import, and few datasets need it
        choose_storage,
        cloud_endpoint,
        registering_help,
    )

    title, credentials = f"cloud storage of {bucket}", settings.cvat_named(name).cloud.credentials
    found = choose_storage(cvat.cloud_storages(bucket), cloud_endpoint(settings, name))
    if found is not None:
        return ok(title, f"number {found.id} in CVAT {name}")
    if credentials == "registered":
        return fail(title, f"CVAT {name} has none", registering_help(name))
    return ok(title, f"the first batch registers it in CVAT {name} (credentials: {credentials})")


def _check_membership(cvat: Cvat, name: str) -> CheckResult:
    """Check that the account may create tasks and assign jobs in its organization."""
    title, me = f"organization of CVAT {name}", cvat.whoami()
    try:
        members = cvat.members()
    except CvatUnauthorized as error:
        if error.status != 403:
            raise
        members = []  # a plain user sees those of their own organizations only
    role = next((member.role for member in members if member.user.id == me.id and member.is_active), None)
    if me.is_superuser or "admin" in me.groups:
        is_what = f"is {role}" if role else "is no member"
        return ok(title, f"{cvat.organization}: {me.username} {is_what}, and an administrator of CVAT")
    if role in _MAY_MANAGE:
        return ok(title, f"{cvat.organization}: {me.username} is {role}")
    if role == "supervisor":
        message = f"{me.username} is supervisor in {cvat.organization}: it sees its own tasks and projects only"
        return warning(title, message, f"make {me.username} a maintainer of {cvat.organization} in {cvat.url}")
    what = f"is {role}, who may not create tasks" if role else "is no active member"
    invite = f"make {me.username} a maintainer of {cvat.organization} in {cvat.url}"
    return fail(title, f"{me.username} {what} in {cvat.organization}", invite)


def _check_annotators(
    spec: DatasetSpec, users: Mapping[str, User], assignable: Collection[str], cvat: Cvat
) -> CheckResult:
    name, annotators, organization = f"annotators of {spec.name}", spec.people, cvat.organization
    missing = [annotator for annotator in annotators if annotator not in users]
    inactive = [annotator for annotator in annotators if annotator in users and not users[annotator].is_active]
    invited = [one for one in annotators if one not in {*missing, *inactive} and one not in assignable]
    parts = [f"{organization or cvat.url} has no user {', '.join(missing)}"] if missing else []
    parts += [f"{', '.join(inactive)} may not log in"] if inactive else []
    parts += [f"{', '.join(invited)} has not accepted the invitation to {organization}"] if invited else []
    if parts:
        add = "labelyard cvat register" if cvat.can_register else f"add the user in {cvat.url}"
        add = f"invite the user to {organization} in {cvat.url}" if organization else add
        return fail(name, "; ".join(parts), f"{add}, or correct `annotators` and labelyard apply FILE")
    return ok(name, ", ".join(annotators))
