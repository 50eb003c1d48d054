"""The figures of servers: whether each is up, its last outage, and what waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from labelyard.domain.attention import Outage
from labelyard.domain.causes import counted
from labelyard.domain.deadlines import BatchAtWork
from labelyard.domain.states import INGESTING, BatchState
from labelyard.ledger import breakers, outages, outbox
from labelyard.ledger.database import Transaction


@dataclass(frozen=True)
class ServerFigures:
    """A server: since when it is up (None: no outage is known) or down, its last error, and what waits for it."""

    name: str
    up: bool
    since: datetime | None
    error: str
    waiting: str
    """Such as "3 batches"; empty when nothing waits."""
    was_down_since: datetime | None = None
    """Of a server that is up: when its last outage began."""
    times_today: int = 0
    """How often it was down today, or is."""


def servers(
    tx: Transaction,
    cvats: Sequence[str],
    down: Sequence[Outage],
    batches: Sequence[BatchAtWork],
    today: datetime,
    *,
    everything: bool,
) -> Iterator[ServerFigures]:
    """Yield the figures of these CVATs, of object storage and of what is down, and with `everything` of the others.

    `today` is when the day began; `batches` are those at work.
    """
    ended, unavailable = outages.last_ended(tx), {one.server: one for one in down}
    times = outages.times_since(tx, today)
    names = [*cvats, breakers.STORE, *((outages.QUEUE, outages.PREFECT) if everything else ())]
    for name in dict.fromkeys([*names, *unavailable]):
        outage, (began, over) = unavailable.get(name), ended.get(name, (None, None))
        yield ServerFigures(
            name=breakers.server_label(name),
            up=outage is None,
            since=outage.since if outage else over,
            error=outage.error if outage else "",
            waiting=_waiting_for(tx, name, batches) if outage else "",
            was_down_since=None if outage else began,
            times_today=times.get(name, 0),
        )


def _waiting_for(tx: Transaction, server: str, batches: Sequence[BatchAtWork]) -> str:
    if server == outages.QUEUE:
        return "new files; the sweep finds them meanwhile"
    if server == outages.PREFECT:
        return counted(outbox.waiting(tx)[0], "event", "events")
    without_people = (*INGESTING, BatchState.COMPLETED)
    held = [one for one in batches if one.state in without_people and server in (one.cvat, breakers.STORE)]
    return counted(len(held), "batch", "batches")
