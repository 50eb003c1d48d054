"""What docs/settings.md says beside its tables."""

from __future__ import annotations

SETTINGS = """\
# Settings

{generated}
Settings come from the environment, or from the file `.env` in the current folder; the environment takes precedence.
`labelyard init` writes a first `.env` that only you can read. Secrets never appear in logs, errors, artifacts, events
or the ledger. A wrong value ends a command at once with an error that names it.

A worker on another machine needs the same ledger, CVATs, object storage and Prefect API. Settings of a single command
are in its section below.
"""
BLOCKS = """
## Blocks of Prefect instead of variables

The address and the secrets of a CVAT, and those of object storage, can be in a block of Prefect: in one place for all
machines, and without a file. `labelyard deploy` and `labelyard up` register two types of blocks, *labelyard CVAT*
(`labelyard-cvat`) and *labelyard object storage* (`labelyard-store`). Create a block in Prefect's UI, below Blocks, and
name it instead of the variables that it has; both at once is an error:

```
LABELYARD_CVAT__DEFAULT__BLOCK=street-cvat
LABELYARD_STORE__BLOCK=street-bucket
```

A block of a CVAT has {cvat_fields}; one of object storage has {store_fields}. All other settings stay variables.

A process reads the blocks once, before it does anything else: after a change in Prefect's UI start watcher and workers
again. If a block does not exist, is of another type or lacks a field, or if Prefect does not answer, a command ends
with an error that names block and field. `labelyard watch` waits for a Prefect that is away, `labelyard up` until a
person has created the block, and a run is tried again. `labelyard status` and `open` need no block.

Anyone who can connect to a Prefect server without a login can read the secrets in its blocks. Give it a login
([below](#prefects-login)); until then `labelyard doctor` warns. Notification channels of alerts are blocks too
([alerts.md](alerts.md)).
"""
PREFECT = """
## Prefect's login

A Prefect server of your own has basic authentication: the same user:password is `PREFECT_SERVER_API_AUTH_STRING` for
the server and `PREFECT_API_AUTH_STRING` for everything else. `labelyard up` needs only the second one, and passes it to
the server that it starts. Write it in ASCII: Prefect 3.8 answers 500 if there is anything else in it. Prefect Cloud,
and proxies that accept keys, want `PREFECT_API_KEY`.

Every request of labelyard to Prefect sends what is set, as Prefect's own client does; the login of a Prefect profile
(`prefect cloud login`) is not read. If Prefect refuses it, `labelyard doctor` and every other command say which
variable was refused and what to set. In a browser, Prefect's UI asks for user:password once.

Of Prefect Cloud only the header was tried, on a server that checks it, not the service itself; with it, set
`PREFECT_UI_URL` to the address of the workspace in a browser too.

## Prefect's own database

By default Prefect's server keeps runs and events in SQLite. That is enough for a few batches at a time. With more, its
database is busy, the server answers 503, and work is late (nothing is lost: labelyard publishes again what Prefect did
not start). `labelyard doctor` reports it. Then give the server a PostgreSQL with the extension `pg_trgm` (the package
postgresql-contrib on most systems), in the environment or the `.env` of `labelyard up` or `prefect server start`, and
restart it; `labelyard deploy` creates the deployments there:

```
PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://USER:PASSWORD@HOST:5432/prefect
```

The old runs stay in the old database; labelyard's work continues from its ledger. If several hosts run labelyard, the
ledger needs a PostgreSQL too: `LABELYARD_LEDGER=postgresql://USER:PASSWORD@HOST:5432/labelyard`, then
`labelyard db upgrade`.

### How long it keeps what

What stays in the database of a server that `labelyard up` starts: runs with their logs, task runs and artifacts for
`LABELYARD_UP__KEEP_RUNS_DAYS`; no-op runs until the next housekeeping, which keeps the newest of each deployment and
the pages of the 2,000 newest batches; events that every run has for `LABELYARD_UP__KEEP_ROUTINE_EVENTS_HOURS`, and all
others for 7 days (`PREFECT_SERVER_EVENTS_RETENTION_PERIOD`). A file of SQLite does not shrink, it uses the free
pages again. For a server of your own set what `labelyard up` sets:

```
{server_settings}
```
"""
