"""upload_data: every usable image of the batch goes to the task, in one request.

Each object is read once onto the spool and looked at there; a bad one is set aside with its reason, because one broken
JPEG would fail the whole task. Then the dataset's way of handing over follows: `stream` sends the files under names of
ours, `remote` lets CVAT download presigned URLs, `share` lets it read its own share.

That files are about to be sent is committed before they are: whoever goes on after a lost answer never posts to that
task again (a second upload adds jobs), but looks at the server.
"""

from __future__ import annotations

import logging
import mimetypes
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import BinaryIO, NoReturn, TypeVar

from labelyard.config import Upload
from labelyard.domain.naming import upload_names
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Receipt, UploadFile
from labelyard.errors import (
    CvatBusy,
    CvatCrashed,
    CvatUnreachable,
    ImageError,
    LabelyardError,
    ObjectChanged,
    ObjectGone,
    UnclearAnswer,
)
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, objects, tasks
from labelyard.ledger.tables import Object
from labelyard.ledger.tables import Task as TaskRow
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.storage import ImageFacts, Spooled, inspect_image

T = TypeVar("T")
_log = logging.getLogger(__name__)
_INSPECTORS = 2
_PRESIGN_MARGIN = 600

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
    """An object that may be handed over, and under which name; without `facts` it was not looked at."""

    member: Object
    facts: ImageFacts | None = None
    spooled: Spooled | None = None
    name: str = ""


_Bad = dict[int, LabelyardError]
"""Ids of objects that cannot be handed over, and why."""


def upload_data(lease: BatchLease, sent: Progress | None = None) -> Uploaded:
    """Hand the batch's images over, unless that was begun before.

    Raises NothingToLabel where no image is usable, StoreUnreachable, CvatUnreachable and other CvatErrors.
    """
    with lease.ledger.read_only() as tx:
        row, task_id = tasks.made(tx, lease.batch_id)
        members = batches.members(tx, lease.batch_id, quarantined=False)
    if row.upload_begun_at is not None:
        return _begun_before(lease, row, task_id)
    with ExitStack() as stack:
        usable, bad = _looked_at(lease, stack, members)
        named, nameless = _named(lease, usable)
        failpoint("upload_data.inspected")
        _set_aside(lease, {**bad, **nameless})
        images = _begin(lease, row, named)
        if not images:
            _nothing(lease, row, task_id)
        receipt = _send(lease, row, task_id, images, sent)
    size = sum(image.member.size or 0 for image in images)
    _move_on(
        lease,
        f"{len(images)} files, {size} bytes sent to task {task_id}{'' if receipt else ', the answer was lost'}",
    )
    _log.info("%s: %d files, %d bytes sent to task %d", lease.batch_id, len(images), size, task_id)
    failures = {**bad, **nameless}
    reasons = {member.stored.url: failures[member.id].what for member in members if member.id in failures}
    return Uploaded(task_id, len(images), size, reasons, clear=receipt is not None)


def _begun_before(lease: BatchLease, row: TaskRow, task_id: int) -> Uploaded:
    _log.info("%s: files were sent to task %d before; looking at the server", lease.batch_id, task_id)
    _move_on(lease, f"task {task_id} was sent {row.files} files before")
    return Uploaded(task_id, row.files or 0, 0, clear=row.request_id is not None)


def _looked_at(lease: BatchLease, stack: ExitStack, members: Sequence[Object]) -> tuple[list[_Image], _Bad]:
    """The usable images, in order, and why the others are not; files stay on the spool only where they are streamed."""
    section, settings = lease.spec.task, lease.context.settings
    if not section.inspect:
        return [_Image(member) for member in members], {}
    objects_ = [member.stored for member in members]
    spool = stack.enter_context(lease.context.store.spool(objects_, settings.spool, settings.spool_bytes))
    images: list[_Image] = []
    bad: _Bad = {}
    with ThreadPoolExecutor(_INSPECTORS, thread_name_prefix="inspect") as pool:
        looks = (
            (member, spooled, pool.submit(_inspected, spooled)) for member, spooled in zip(members, spool, strict=True)
        )
        for member, spooled, look in _some_ahead(looks):  # not all: what is not kept makes room for the next
            facts = look.result()
            if isinstance(facts, LabelyardError):
                bad[member.id] = facts
            else:
                images.append(_Image(member, facts, spooled))
            if isinstance(facts, LabelyardError) or section.upload is not Upload.STREAM:
                spooled.discard()
    return images, bad


def _some_ahead(looks: Iterable[T]) -> Iterator[T]:
    begun: deque[T] = deque()
    for look in looks:
        begun.append(look)
        if len(begun) > _INSPECTORS:
            yield begun.popleft()
    yield from begun


def _inspected(spooled: Spooled) -> ImageFacts | LabelyardError:
    if spooled.failure is not None:
        return spooled.failure
    try:
        return inspect_image(spooled.path)
    except ImageError as error:
        return error


def _named(lease: BatchLease, images: Sequence[_Image]) -> tuple[list[_Image], _Bad]:
    """Each image with its name in CVAT, and why others cannot have one."""
    section, keys = lease.spec.task, [image.member.key for image in images]
    if section.upload is Upload.SHARE:
        names: list[str] = [section.share_prefix + key for key in keys]
    elif section.upload is Upload.REMOTE:
        names = [key.rsplit("/", 1)[-1] for key in keys]
    else:
        suffixed = [_with_suffix(i.member.key, i.facts.mime) if i.facts else i.member.key for i in images]
        names = upload_names(suffixed, [f"{image.member.key}\0{image.member.etag}" for image in images])
    named: list[_Image] = []
    twins: _Bad = {}
    taken = set[str]()
    for image, name in zip(images, names, strict=True):
        if name in taken:
            what = f"another file of its batch is called {name!r} too: only `upload: stream` renames"
            twins[image.member.id] = ImageError(what)
        else:
            taken.add(name)
            named.append(replace(image, name=name))
    return named, twins


def _with_suffix(key: str, mime: str) -> str:
    # CVAT tells images by their suffix alone, and skips the others in silence.
    guessed, _ = mimetypes.guess_type(key.rsplit("/", 1)[-1])
    return key if guessed and guessed.startswith("image/") else key + (mimetypes.guess_extension(mime) or ".jpg")


def _set_aside(lease: BatchLease, bad: _Bad) -> None:
    with lease.transaction() as tx:
        for member in batches.members(tx, lease.batch_id, quarantined=False, lock=True):
            failure = bad.get(member.id)
            if failure is not None:
                aside = (
                    objects.quarantine_missing
                    if isinstance(failure, (ObjectGone, ObjectChanged))
                    else objects.quarantine
                )
                aside(tx, member, failure.what)
                _log.warning("%s: %s set aside: %s", lease.batch_id, member.stored.url, failure.what)


def _nothing(lease: BatchLease, row: TaskRow, task_id: int) -> NoReturn:
    """Take the empty task away and leave the batch, with a reason, to whoever looks."""
    lease.check()
    lease.cvat.delete_task(task_id)
    with lease.transaction() as tx:
        tasks.abandon(tx, row.id, "no usable image")
        batch = batches.get(tx, lease.batch_id, lock=True)
        batches.move(tx, batch, BatchState.QUARANTINED, "no usable image in it")
        aside = batches.members(tx, lease.batch_id)
    example = next((f", such as {member.stored.url}: {member.quarantine_reason}" for member in aside), "")
    next_step = f"labelyard why {lease.batch_id}"
    raise NothingToLabel(f"all {len(aside)} objects were set aside{example}", where=lease.batch_id, next_step=next_step)


def _send(
    lease: BatchLease, row: TaskRow, task_id: int, images: Sequence[_Image], sent: Progress | None
) -> Receipt | None:
    """What the server said, None where its answer was lost."""
    lease.check()
    failpoint("upload_data.begun")
    try:
        receipt = _HAND_OVER[lease.spec.task.upload](lease, task_id, images, sent)
    except CvatUnreachable:
        with lease.transaction() as tx:
            tasks.upload_never_began(tx, row.id)
        raise
    except (UnclearAnswer, CvatCrashed, CvatBusy) as error:
        _log.warning("%s: the answer to the upload is unclear, watching the server: %s", lease.batch_id, error)
        return None
    failpoint("upload_data.sent")
    with lease.transaction() as tx:
        tasks.uploaded(tx, row.id, receipt.request_id)
    failpoint("upload_data.answered")
    return receipt


def _begin(lease: BatchLease, row: TaskRow, images: Sequence[_Image]) -> list[_Image]:
    """Commit what is about to be sent, without what was set aside, or went to another batch, while it was looked at."""
    by_id = {image.member.id: image for image in images}
    with lease.transaction() as tx:
        members = batches.members(tx, lease.batch_id, quarantined=False, lock=True)
        sending = [(member, by_id[member.id]) for member in members if member.id in by_id]
        for member, image in sending:
            member.upload_name = image.name
            if image.facts is not None:
                member.width, member.height, member.sha256 = image.facts.width, image.facts.height, image.facts.sha256
                member.exif_orientation = image.facts.exif_orientation
        if sending:
            tasks.upload_begins(tx, row.id, len(sending))
    return [image for _, image in sending]


def _stream(lease: BatchLease, task_id: int, images: Sequence[_Image], sent: Progress | None) -> Receipt:
    files = [_file(image) for image in images]
    total = sum(file.size for file in files)

    def progress(done: int) -> None:
        failpoint("upload_data.sending")
        if sent is not None:
            sent(done, total)

    return lease.cvat.upload(task_id, files, lease.spec.task.data(), progress)


def _file(image: _Image) -> UploadFile:
    assert image.spooled is not None, "what is streamed lies on the spool"
    assert image.facts is not None, "what lies on the spool was looked at"
    path = image.spooled.path

    def content() -> BinaryIO:
        return path.open("rb")

    return UploadFile(image.name, image.spooled.size, content, image.facts.mime)


def _remote(lease: BatchLease, task_id: int, images: Sequence[_Image], sent: Progress | None) -> Receipt:  # noqa: ARG001 - nothing passes here
    life = int(lease.context.settings.upload_deadline_seconds) + _PRESIGN_MARGIN
    urls = [lease.context.store.presign(image.member.stored, life) for image in images]
    return lease.cvat.upload_remote(task_id, urls, lease.spec.task.data())


def _share(lease: BatchLease, task_id: int, images: Sequence[_Image], sent: Progress | None) -> Receipt:  # noqa: ARG001 - nothing passes here
    return lease.cvat.upload_share(task_id, [image.name for image in images], lease.spec.task.data())


_HAND_OVER = {Upload.STREAM: _stream, Upload.REMOTE: _remote, Upload.SHARE: _share}


def _move_on(lease: BatchLease, reason: str) -> None:
    with lease.transaction() as tx:
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state is BatchState.CREATED:
            batches.move(tx, batch, BatchState.UPLOADED, reason)
    failpoint("upload_data.recorded")
