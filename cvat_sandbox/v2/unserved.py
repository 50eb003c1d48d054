"""What 2.73 has and the sandbox has not: such requests answer 501, with a sentence.

The list of all methods of the API is here; what no endpoint serves is refused by `completed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from cvat_sandbox.rest.exceptions import ApiException
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.request import OrganizationRequest

API = """
/api/assets POST
/api/assets/<uuid> GET DELETE
/api/auth/access_tokens GET POST
/api/auth/access_tokens/<pk> GET PATCH DELETE
/api/auth/access_tokens/self GET
/api/auth/login POST
/api/auth/logout POST
/api/auth/password/change POST
/api/auth/password/reset POST
/api/auth/password/reset/confirm POST
/api/auth/register POST
/api/auth/rules GET
/api/cloudstorages GET POST
/api/cloudstorages/<pk> GET PATCH DELETE
/api/cloudstorages/<pk>/actions GET
/api/cloudstorages/<pk>/content-v2 GET
/api/cloudstorages/<pk>/preview GET
/api/cloudstorages/<pk>/status GET
/api/comments GET POST
/api/comments/<pk> GET PATCH DELETE
/api/consensus/merges POST
/api/consensus/settings GET
/api/consensus/settings/<pk> GET PATCH
/api/events GET POST
/api/events/export POST
/api/guides POST
/api/guides/<pk> GET PATCH DELETE
/api/invitations GET POST
/api/invitations/<key> GET DELETE
/api/invitations/<key>/accept POST
/api/invitations/<key>/decline POST
/api/invitations/<key>/resend POST
/api/issues GET POST
/api/issues/<pk> GET PATCH DELETE
/api/jobs GET POST
/api/jobs/<pk> GET PATCH DELETE
/api/jobs/<pk>/annotations/ GET POST PUT PATCH DELETE
/api/jobs/<pk>/data GET
/api/jobs/<pk>/data/meta GET PATCH
/api/jobs/<pk>/dataset/export POST
/api/jobs/<pk>/preview GET
/api/jobs/<pk>/validation_layout GET PATCH
/api/labels GET
/api/labels/<pk> GET PATCH DELETE
/api/lambda/functions GET
/api/lambda/functions/<func_id> GET POST
/api/lambda/requests GET POST
/api/lambda/requests/<pk> GET DELETE
/api/memberships GET
/api/memberships/<pk> GET PATCH DELETE
/api/organizations GET POST
/api/organizations/<pk> GET PATCH DELETE
/api/projects GET POST
/api/projects/<pk> GET PATCH DELETE
/api/projects/<pk>/backup/export POST
/api/projects/<pk>/dataset/ POST
/api/projects/<pk>/dataset/export POST
/api/projects/<pk>/preview GET
/api/projects/backup/ POST
/api/quality/conflicts GET
/api/quality/reports GET POST
/api/quality/reports/<pk> GET
/api/quality/reports/<pk>/data GET
/api/quality/settings GET
/api/quality/settings/<pk> GET PATCH
/api/requests GET
/api/requests/<pk> GET
/api/requests/<pk>/cancel POST
/api/schema/ GET
/api/server/about GET
/api/server/annotation/formats GET
/api/server/plugins GET
/api/server/share GET
/api/tasks GET POST
/api/tasks/<pk> GET PATCH DELETE
/api/tasks/<pk>/annotations/ GET POST PUT PATCH DELETE
/api/tasks/<pk>/backup/export POST
/api/tasks/<pk>/data/ GET POST
/api/tasks/<pk>/data/meta GET PATCH
/api/tasks/<pk>/dataset/export POST
/api/tasks/<pk>/preview GET
/api/tasks/<pk>/status GET
/api/tasks/<pk>/validation_layout GET PATCH
/api/tasks/backup/ POST
/api/users GET
/api/users/<pk> GET PATCH DELETE
/api/users/self GET
/api/webhooks GET POST
/api/webhooks/<pk> GET PUT PATCH DELETE
/api/webhooks/<pk>/deliveries GET
/api/webhooks/<pk>/deliveries/<delivery_id> GET
/api/webhooks/<pk>/deliveries/<delivery_id>/redelivery POST
/api/webhooks/<pk>/ping POST
/api/webhooks/events GET
"""
"""The paths of the API with their methods, one a line."""


def refuse(request: OrganizationRequest, **_ids: str) -> ApiResponse:
    """Say that the sandbox does not serve this."""
    text = (
        f"The sandbox does not serve {request.http.method} {request.http.path}; cvat_sandbox/README.md lists the rest."
    )
    raise ApiException(501, {"detail": text})


def completed(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Return endpoints, and those that refuse what only the real server has."""
    served = {_plain(endpoint.path): endpoint for endpoint in endpoints}
    every = dict(served)
    for path, methods in _api():
        known = every.get(_plain(path), Endpoint(path.removesuffix("/"), {}, with_slash=path.endswith("/")))
        missing = {method: refuse for method in methods if method not in known.handlers}
        every[_plain(path)] = replace(known, handlers={**known.handlers, **missing})
    return list(every.values())


def unserved(endpoints: Iterable[Endpoint]) -> list[str]:
    """Return what is refused, as `METHOD path`."""
    return [
        f"{method} {endpoint.path}"
        for endpoint in completed(endpoints)
        for method, handler in endpoint.handlers.items()
        if handler is refuse
    ]


def _api() -> list[tuple[str, list[str]]]:
    return [(line.split()[0], line.split()[1:]) for line in API.strip().splitlines()]


def _plain(path: str) -> str:
    return re.sub(r"<\w+>", "<>", path.removesuffix("/"))
