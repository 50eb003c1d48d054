"""Tasks and jobs."""

from __future__ import annotations

from cvat_sandbox import tasks
from cvat_sandbox.answers import Answer, Crash
from cvat_sandbox.metadata import TASK_FIELDS
from cvat_sandbox.paging import page_of, paged
from cvat_sandbox.permissions import check_job, check_task
from cvat_sandbox.web import Call, Endpoint, jobs_gate, tasks_gate


def task_list(call: Call) -> Answer:
    """A page of the tasks that the user sees, newest first."""
    store = call.sandbox.store
    condition, values, order = tasks.search(call.who, call.query)
    count = store.count(f"SELECT COUNT(*) FROM task WHERE {condition}", *values)  # noqa: S608 - names of our own
    first, size = page_of(call, count)
    rows = store.all(f"SELECT * FROM task WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?", *values, size, first)  # noqa: S608 - names of our own
    if rows and call.request.method == "HEAD":
        raise Crash("TypeError: argument of type 'NoneType' is not iterable")
    return paged(call, count, tasks.described(store, rows, call.url("")))


def create_task(call: Call) -> Answer:
    """A task without data."""
    sandbox = call.sandbox
    key = tasks.create(sandbox.store, sandbox.accounts, call.body, form=call.is_form, by=call.who)
    return Answer(_described(call, str(key)), 201, {"Location": call.url(f"/api/v1/tasks/{key}")})


def task(call: Call, pk: str) -> Answer:
    """One task."""
    row = tasks.task(call.sandbox.store, pk)
    check_task(call.sandbox.store, call.who, row, "access")
    if call.request.method == "HEAD":
        raise Crash("TypeError: argument of type 'NoneType' is not iterable")
    return Answer(_described(call, pk))


def change_task(call: Call, pk: str) -> Answer:
    """PATCH and PUT of a task."""
    sandbox, row = call.sandbox, tasks.task(call.sandbox.store, pk)
    check_task(sandbox.store, call.who, row, "change")
    tasks.change(
        sandbox.store, sandbox.accounts, row, call.body, form=call.is_form, partial=call.request.method == "PATCH"
    )
    return Answer(_described(call, pk))


def delete_task(call: Call, pk: str) -> Answer:
    """DELETE of a task; while a worker is at it, it crashes and the task survives."""
    row = tasks.task(call.sandbox.store, pk)
    check_task(call.sandbox.store, call.who, row, "delete")
    if call.sandbox.creations.busy(row["id"]):
        raise Crash("IntegrityError: the worker has inserted segments meanwhile")
    tasks.delete(call.sandbox.store, row["id"])
    call.sandbox.forget_task(row["id"], row["data_id"])
    return Answer(status=204)


def task_jobs(call: Call, pk: str) -> Answer:
    """The jobs of a task, in no order."""
    row = tasks.task(call.sandbox.store, pk)
    check_task(call.sandbox.store, call.who, row, "access")
    return Answer([tasks.described_job(job, call.url("")) for job in tasks.jobs_of(call.sandbox.store, row["id"])])


def status(call: Call, pk: str) -> Answer:
    """How far the worker is with the data; also Finished where there are none."""
    row = tasks.task(call.sandbox.store, pk)
    check_task(call.sandbox.store, call.who, row, "access")
    return Answer(call.sandbox.creations.status(row["id"]))


def job(call: Call, pk: str) -> Answer:
    """One job."""
    row = tasks.job(call.sandbox.store, pk)
    check_job(call.sandbox.store, call.who, row, "access")
    return Answer(tasks.described_job(row, call.url("")))


def change_job(call: Call, pk: str) -> Answer:
    """PATCH and PUT of a job."""
    sandbox, row = call.sandbox, tasks.job(call.sandbox.store, pk)
    check_job(sandbox.store, call.who, row, "change")
    partial = call.request.method == "PATCH"
    tasks.change_job(sandbox.store, sandbox.accounts, row, call.body, form=call.is_form, partial=partial)
    return Answer(tasks.described_job(tasks.job(sandbox.store, pk), call.url("")))


def _described(call: Call, pk: str) -> object:
    return tasks.described(call.sandbox.store, [tasks.task(call.sandbox.store, pk)], call.url(""))[0]


ENDPOINTS = [
    Endpoint(
        "/api/v1/tasks", {"GET": task_list, "POST": create_task}, "GET, POST, HEAD, OPTIONS", tasks_gate, "Task List",
        actions={"POST": TASK_FIELDS},
    ),
    Endpoint(
        "/api/v1/tasks/<pk>", {"GET": task, "PUT": change_task, "PATCH": change_task, "DELETE": delete_task},
        "GET, PUT, PATCH, DELETE, HEAD, OPTIONS", tasks_gate, "Task Instance",
    ),
    Endpoint("/api/v1/tasks/<pk>/jobs", {"GET": task_jobs}, "GET, HEAD, OPTIONS", tasks_gate, "Jobs"),
    Endpoint("/api/v1/tasks/<pk>/status", {"GET": status}, "GET, HEAD, OPTIONS", tasks_gate, "Status"),
    Endpoint(
        "/api/v1/jobs/<pk>", {"GET": job, "PUT": change_job, "PATCH": change_job},
        "GET, PUT, PATCH, HEAD, OPTIONS", jobs_gate, "Job Instance",
    ),
]  # fmt: skip
