"""How things stand, in one sentence: the first line of the operations page and of `labelyard status`."""

from __future__ import annotations

from collections.abc import Sequence

from labelyard.domain.attention import stopped_batches
from labelyard.domain.causes import Cause, Kind, counted
from labelyard.domain.deadlines import LateBatch


def verdict(found: Sequence[Cause], late: Sequence[LateBatch], *, at_work: int, down: Sequence[str] = ()) -> str:
    """Return how things stand, in one sentence. `at_work` is how many batches are not exported; `down` names servers.

    It counts everything that is listed: "2 batches need you, 3 batches late, 1 file quarantined", "CVAT default
    unavailable", "1 dataset paused". Only where nothing is listed it says "all running", or "nothing to do".
    """
    stopped = stopped_batches(found)
    other = sum(cause.to_act and not cause.batches and cause.kind is not Kind.SERVER for cause in found)
    overdue = sum(late_one.id not in stopped for late_one in late)
    warned = {batch for cause in found if cause.kind is Kind.WARNING for batch in cause.batches}
    files = sum(cause.objects for cause in found if cause.kind is Kind.QUARANTINED)
    is_long = any(cause.kind is Kind.SERVER for cause in found)
    parts = (
        _number(len(stopped), "batch needs you", "batches need you"),
        _number(other, "thing needs you", "things need you"),
        _away(down, is_long=is_long),
        _number(overdue, "batch late", "batches late"),
        _number(sum(cause.kind is Kind.PAUSED for cause in found), "dataset paused", "datasets paused"),
        _number(files, "file quarantined", "files quarantined"),
        _number(len(warned), "batch with a warning", "batches with a warning"),
    )
    return ", ".join(filter(None, parts)) or ("all running" if at_work else "nothing to do")


def _number(number: int, one: str, many: str) -> str:
    return counted(number, one, many) if number else ""


def _away(servers: Sequence[str], *, is_long: bool) -> str:
    names = " and ".join(servers)
    return (f"{names} unavailable" if is_long else f"waiting for {names}") if names else ""
