"""Lists of 2.x need as many SQL statements for many objects as for few."""

from __future__ import annotations

from functools import partial

import httpx

from cvat_sandbox import Serving
from tests.support.sandbox_client_v2 import create, uploaded
from tests.support.sandbox_statements import cost


def test_a_page_of_fifty_needs_as_many_statements_as_one_of_two(
    sandbox: Serving, alex: httpx.Client, root: httpx.Client
) -> None:
    for _ in range(50):
        create(alex)
    uploaded(alex, [f"{n:02d}.jpg" for n in range(30)], segment_size=1)
    for http in (alex, root):
        for path in ("/tasks", "/jobs", "/users", "/labels", "/requests"):
            few, many = (cost(sandbox, partial(http.get, path, params={"page_size": n})) for n in (2, 50))
            assert few == many, path
