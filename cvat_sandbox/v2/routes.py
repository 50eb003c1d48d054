"""The routes of the API family."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response
from werkzeug.routing import Rule

from cvat_sandbox.rest.authentication import set_cookies
from cvat_sandbox.sandbox import Sandbox
from cvat_sandbox.v2 import (
    access_tokens,
    bucket_contents,
    cloud_storages,
    consensus,
    data,
    dispatch,
    exports,
    import_pieces,
    invitations,
    issues,
    jobs,
    labels,
    memberships,
    organizations,
    projects,
    quality,
    requests,
    server,
    tasks,
    tus,
    unserved,
    users,
    validation,
    webhook_events,
    webhooks,
)
from cvat_sandbox.v2.annotations import ENDPOINTS as ANNOTATION_ENDPOINTS

SERVED = [
    *server.ENDPOINTS,
    *users.ENDPOINTS,
    *access_tokens.ENDPOINTS,
    *tasks.ENDPOINTS,
    *data.ENDPOINTS,
    *tus.ENDPOINTS,
    *validation.ENDPOINTS,
    *quality.ENDPOINTS,
    *consensus.ENDPOINTS,
    *jobs.ENDPOINTS,
    *ANNOTATION_ENDPOINTS,
    *exports.ENDPOINTS,
    *import_pieces.ENDPOINTS,
    *labels.ENDPOINTS,
    *projects.ENDPOINTS,
    *cloud_storages.ENDPOINTS,
    *bucket_contents.ENDPOINTS,
    *requests.ENDPOINTS,
    *organizations.ENDPOINTS,
    *memberships.ENDPOINTS,
    *invitations.ENDPOINTS,
    *issues.ENDPOINTS,
    *webhooks.ENDPOINTS,
]
ENDPOINTS = unserved.completed(SERVED)
CONVERTERS = dispatch.CONVERTERS


def rules() -> Iterator[Rule]:
    """Return the rules of CVAT 2.x."""
    for endpoint in ENDPOINTS:
        yield from dispatch.rules(endpoint)


def mount(app: Flask, sandbox: Sandbox) -> None:
    """Add the endpoints of CVAT 2.x to an application, and the cookies of its sessions; begin to send webhooks."""
    webhook_events.listen(sandbox)
    for endpoint in ENDPOINTS:
        dispatch.mount(app, endpoint, sandbox)

    @app.after_request
    def add_cookies(response: Response) -> Response:
        set_cookies(response)
        return response
