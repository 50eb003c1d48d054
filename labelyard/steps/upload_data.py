"""upload_data: every usable image of the batch goes to the task, in one request, under a name of ours.

Each object is read once onto the spool and looked at there; a bad one is set aside with its reason, because one broken
JPEG would fail the whole task. That files are about to be sent is committed before they are: whoever goes on after a
lost answer never posts to that task again (a second upload adds jobs), but looks at the server.
"""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from labelyard.errors import CvatBusy, CvatCrashed, CvatUnreachable, ImageError, UnclearAnswer
from labelyard.images import ImageFacts, inspect
from labelyard.ledger import batches, objects, tasks
from labelyard.ledger.tables import Object
from labelyard.ledger.tables import Task as TaskRow
from labelyard.model import UploadFile
from labelyard.plan.lifecycle import BatchState
from labelyard.plan.naming import upload_names
from labelyard.spool import Spool, Spooled
from labelyard.steps.claiming import Work

_log = logging.getLogger(__name__)
_INSPECTORS = 2

Progress = Callable[[int, int], None]
"""Told the bytes sent so far, and the bytes there are."""


@dataclass(frozen=True)
class Uploaded:
    """What was sent; `set_aside` are s3:// addresses with the reason. `clear` is false when the answer was lost."""

    task_id: int
    files: int
    bytes: int
    set_aside: Mapping[str, str] = field(default_factory=dict)
    clear: bool = True


class NothingToLabel(ImageError):
    """Every object of the batch was set aside."""


@dataclass(frozen=True)
class _Image:
    """An object that is on the spool and was looked at."""

    member: Object
    spooled: Spooled
    facts: ImageFacts
    name: str = ""


def upload_data(work: Work, sent: Progress | None = None) -> Uploaded:
    """Send the batch's images, unless that was begun before.

    Raises NothingToLabel where no image is usable, StoreUnreachable, CvatUnreachable and other CvatErrors.
    """
    with work.ledger.read() as session:
        row = tasks.current(session, work.batch_id)
        members = batches.members(session, work.batch_id, refused=False)
    assert row is not None and row.server_id is not None, "create_task has made the task"
    if row.upload_begun_at is not None:
        return _begun_before(work, row)
    settings = work.place.settings
    with work.place.store.spool([member.stored for member in members], settings.spool, settings.spool_bytes) as spool:
        images, bad = _looked_at(spool, members)
        _set_aside(work, row, images, bad)
        return _send(work, row, _named(images), bad, sent)


def _begun_before(work: Work, row: TaskRow) -> Uploaded:
    _log.info("%s: files were sent to task %s before; looking at the server", work.batch_id, row.server_id)
    _move_on(work, f"task {row.server_id} was sent {row.files} files before")
    return Uploaded(row.server_id or 0, row.files or 0, 0, clear=row.request_id is not None)


def _looked_at(spool: Spool, members: Sequence[Object]) -> tuple[list[_Image], dict[Object, str]]:
    """The usable images, in order, and why the others are not."""
    images, bad = [], {}
    with ThreadPoolExecutor(_INSPECTORS, thread_name_prefix="inspect") as pool:
        looks = [(member, spooled, pool.submit(_inspected, spooled)) for member, spooled in zip(members, spool, strict=True)]
        for member, spooled, look in looks:
            facts = look.result()
            if isinstance(facts, str):
                bad[member] = facts
                spooled.discard()
            else:
                images.append(_Image(member, spooled, facts))
    return images, bad


def _inspected(spooled: Spooled) -> ImageFacts | str:
    if spooled.failure is not None:
        return spooled.failure.what
    try:
        return inspect(spooled.path)
    except ImageError as error:
        return error.what


def _set_aside(work: Work, row: TaskRow, images: Sequence[_Image], bad: Mapping[Object, str]) -> None:
    with work.ledger.write() as session:
        for member, reason in bad.items():
            objects.refuse(work.ledger, session, session.merge(member), reason)
            _log.warning("%s: %s set aside: %s", work.batch_id, member.stored.url, reason)
    if images:
        return
    work.check()
    work.cvat.delete_task(row.server_id or 0)
    with work.ledger.write() as session:
        tasks.abandon(work.ledger, session, row.id, "no usable image")
        batches.move(work.ledger, session, batches.get(session, work.batch_id, lock=True), BatchState.SET_ASIDE, "no usable image in it")
    first = next(iter(bad.items()), None)
    example = f", such as {first[0].stored.url}: {first[1]}" if first else ""
    raise NothingToLabel(f"all {len(bad)} objects were set aside{example}", where=work.batch_id, next_step=f"labelyard why {work.batch_id}")


def _named(images: Sequence[_Image]) -> list[_Image]:
    keys = [_with_suffix(image.member.key, image.facts.mime) for image in images]
    names = upload_names(keys, [f"{image.member.key}\0{image.member.etag}" for image in images])
    return [_Image(image.member, image.spooled, image.facts, name) for image, name in zip(images, names, strict=True)]


def _with_suffix(key: str, mime: str) -> str:
    # CVAT tells images by their suffix alone, and skips the others in silence.
    guessed, _ = mimetypes.guess_type(key.rsplit("/", 1)[-1])
    return key if guessed and guessed.startswith("image/") else key + (mimetypes.guess_extension(mime) or ".jpg")


def _send(work: Work, row: TaskRow, images: Sequence[_Image], bad: Mapping[Object, str], sent: Progress | None) -> Uploaded:
    total = sum(image.spooled.size for image in images)
    files = [UploadFile(i.name, i.spooled.size, lambda path=i.spooled.path: path.open("rb"), i.facts.mime) for i in images]  # type: ignore[misc]
    _begin(work, row, images)
    work.check()
    task_id, clear = row.server_id or 0, True
    try:
        told = None if sent is None else lambda done: sent(done, total)
        receipt = work.cvat.upload(task_id, files, work.spec.task.data(), told)
        with work.ledger.write() as session:
            tasks.uploaded(session, row.id, receipt.request_id)
    except CvatUnreachable:
        with work.ledger.write() as session:
            tasks.upload_never_began(session, row.id)
        raise
    except (UnclearAnswer, CvatCrashed, CvatBusy) as error:
        clear = False
        _log.warning("%s: the answer to the upload is unclear, watching the server: %s", work.batch_id, error)
    _move_on(work, f"{len(images)} files, {total} bytes sent to task {task_id}{'' if clear else ', the answer was lost'}")
    _log.info("%s: %d files, %d bytes sent to task %d", work.batch_id, len(images), total, task_id)
    return Uploaded(task_id, len(images), total, {member.stored.url: why for member, why in bad.items()}, clear)


def _begin(work: Work, row: TaskRow, images: Sequence[_Image]) -> None:
    with work.ledger.write() as session:
        for image in images:
            member = session.get_one(Object, image.member.id)
            member.upload_name, member.sha256 = image.name, image.facts.sha256
            member.width, member.height, member.exif_orientation = image.facts.width, image.facts.height, image.facts.exif_orientation
        tasks.upload_begins(work.ledger, session, row.id, len(images))


def _move_on(work: Work, reason: str) -> None:
    with work.ledger.write() as session:
        batch = batches.get(session, work.batch_id, lock=True)
        if batch.state is BatchState.CREATED:
            batches.move(work.ledger, session, batch, BatchState.UPLOADED, reason)
