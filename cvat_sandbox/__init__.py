"""A server with the API of CVAT 1.0.0 or 2.73, for demos and tests: real HTTP, real images, real quirks.

The command `cvat-sandbox` runs it as a process. Tests use `serve`:

    from cvat_sandbox import serve

    with serve(["root:rootpass:superuser", "alex:pass12345!:staff,user", "dabai:pass12345!"]) as sandbox:
        httpx.get(sandbox.url + "/api/v1/server/about")
        sandbox.faults.set([{"on": "POST /api/v1/tasks/*/data", "status": 503, "times": 1}])

It needs the extra `sandbox` and imports nothing of labelyard. From the top to the bottom, each part imports only from
those below it:

    cli        the command
    server     the Flask application, served by cheroot
    v1, v2     the API families of CVAT 1.0.0 and 2.73
    rest       Django REST framework, as far as both families show it
    web        uploads, pages, the control endpoint and the faults of requests, for all families
    sandbox    a sandbox: its options, its state and its workers
    workers    the jobs of the worker threads: creation of frames, exports, imports
    formats    the exporters and importers, by format
    state      the database and the rules: users, permissions, tasks, labels, annotations, tracks, media
    faults     rules that make requests and workers fail
    errors     the exceptions
"""

from __future__ import annotations

from cvat_sandbox.sandbox import Options
from cvat_sandbox.server import Serving, parse_user, serve
from cvat_sandbox.state.users import Person

__all__ = ["Options", "Person", "Serving", "parse_user", "serve"]
