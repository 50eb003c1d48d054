"""upload_data: upload every usable image of the batch to its task, in one request.

Each object is read once onto the spool and inspected there. An unusable one is quarantined with its reason, because one
broken JPEG would fail the whole task. Then `stream` sends the files under names of ours, `remote` lets CVAT download
presigned URLs, `share` lets CVAT read its own share, and `cloud` lets it read the bucket.

The ledger records that an upload begins before anything is sent. After a lost response no run uploads to that task
again, because a second upload adds jobs; the run asks CVAT what has arrived.
"""

from __future__ import annotations

import logging
import mimetypes
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO, TypeAlias, TypeVar

from labelyard.config import UploadMethod
from labelyard.domain.naming import frame_order, upload_identity, upload_names
from labelyard.domain.objects import base_name
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import DataSpec, Receipt, UploadFile
from labelyard.errors import (
    CvatBusy,
    CvatCrashed,
    CvatUnreachable,
    ImageError,
    LabelyardError,
    UnclearAnswer,
)
from labelyard.failpoints import failpoint
from labelyard.images import INSPECTORS, Inspection
from labelyard.ledger import batches, tasks
from labelyard.ledger.tables import Object
from labelyard.ledger.tables import Task as TaskRow
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.cloud_storage import cloud_storage
from labelyard.pipeline.inspect_images import inspector, record_inspection
from labelyard.pipeline.leftover_tasks import end_without_task
from labelyard.pipeline.quarantine_objects import quarantine_unusable
from labelyard.pipeline.refused_objects import check_bucket_is_readable
from labelyard.storage import Spooled
from labelyard.storage.heads import head_objects

T = TypeVar("T")
_log = logging.getLogger(__name__)
_PRESIGN_MARGIN = 600
"""Seconds beyond the upload deadline: CVAT may start a download late."""
_AVIF = "image/avif"

Progress = Callable[[int, int], None]
"""Called with the bytes sent so far and the bytes in total."""


@dataclass(frozen=True)
class Uploaded:
    """The upload; `quarantined` maps s3:// address to reason. `clear` is False if CVAT's response was lost."""

    task_id: int
    files: int
    bytes: int
    quarantined: Mapping[str, str] = field(default_factory=dict)
    clear: bool = True


@dataclass(frozen=True)
class _Image:
    """An object to upload and its name in CVAT; without `facts` it was not inspected."""

    member: Object
    facts: Inspection | None = None
    spooled: Spooled | None = None
    name: str = ""


_Unusable: TypeAlias = dict[int, LabelyardError]
"""Object id -> why it cannot be uploaded."""


def upload_data(lease: BatchLease, progress: Progress | None = None) -> Uploaded:
    """Upload the batch's images, unless an earlier run has begun to.

    Raises NoUsableImage, StoreUnreachable, CvatUnreachable and other CvatErrors.
    """
    with lease.ledger.read_only() as tx:
        row, task_id = tasks.require_current(tx, lease.batch_id)
        members = batches.members(tx, lease.batch_id, quarantined=False)
    if row.upload_begun_at is not None:
        return _begun_before(lease, row, task_id)
    with ExitStack() as stack:
        images, unusable = _inspect(lease, stack, members)
        check_bucket_is_readable(lease.context, lease.spec, lease.batch_id, members, unusable)
        images, nameless = _with_names(lease, images)
        unusable.update(nameless)
        failpoint("upload_data.inspected")
        quarantine_unusable(lease, unusable)
        send = _sender(lease)
        images = _record_begin(lease, row, images)
        if not images:
            end_without_task(lease)
        receipt = _upload(lease, row, lambda: send(lease, task_id, images, progress))
    size = sum(image.member.size or 0 for image in images)
    summary = f"{len(images)} files, {size} bytes sent to task {task_id}{'' if receipt else ', the response was lost'}"
    _record_uploaded(lease, summary)
    _log.info("%s: %s", lease.batch_id, summary)
    reasons = {member.stored.url: unusable[member.id].what for member in members if member.id in unusable}
    return Uploaded(task_id, len(images), size, reasons, clear=receipt is not None)


def _begun_before(lease: BatchLease, row: TaskRow, task_id: int) -> Uploaded:
    _log.info("%s: an earlier run sent files to task %d; asking CVAT what has arrived", lease.batch_id, task_id)
    _record_uploaded(lease, f"an earlier run sent {row.files} files to task {task_id}")
    return Uploaded(task_id, row.files or 0, 0, clear=row.request_id is not None)


# --- inspection -------------------------------------------------------------------------------------------------------


def _inspect(lease: BatchLease, stack: ExitStack, members: Sequence[Object]) -> tuple[list[_Image], _Unusable]:
    """Return the usable images in their order, and why the others are unusable.

    `stack` removes the spool. With `stream`, the files of the usable images stay on it until then.
    """
    section, settings = lease.spec.task, lease.context.settings
    if not section.inspect:
        return _not_inspected(lease, members)
    stored = [member.stored for member in members]
    spool = stack.enter_context(lease.context.store.spool(stored, settings.spool, settings.spool_bytes))
    inspect = inspector(lease)
    images: list[_Image] = []
    unusable: _Unusable = {}
    with ThreadPoolExecutor(INSPECTORS, thread_name_prefix="inspect") as pool:
        pending = ((one, spooled, pool.submit(inspect, spooled)) for one, spooled in zip(members, spool, strict=True))
        # Only a few ahead: discarding a file makes room on the spool for the next one.
        for member, spooled, inspection in _ahead(pending):
            facts = inspection.result()
            if isinstance(facts, LabelyardError):
                unusable[member.id] = facts
            else:
                images.append(_Image(member, facts, spooled))
            if isinstance(facts, LabelyardError) or section.upload is not UploadMethod.STREAM:
                spooled.discard()
    return images, unusable


def _not_inspected(lease: BatchLease, members: Sequence[Object]) -> tuple[list[_Image], _Unusable]:
    """Return the images without reading them; with `cloud`, those that are in the bucket as they were registered."""
    if lease.spec.task.upload is not UploadMethod.CLOUD:
        return [_Image(member) for member in members], {}
    stored = [member.stored for member in members]
    present = {obj.identity for obj in head_objects(lease.context.store, stored)}
    missing = ImageError("it was deleted or overwritten after it had been registered")
    unusable: _Unusable = {member.id: missing for member in members if member.stored.identity not in present}
    return [_Image(member) for member in members if member.id not in unusable], unusable


def _ahead(inspections: Iterable[T]) -> Iterator[T]:
    """Start a few inspections before the first one is asked for its result."""
    started: deque[T] = deque()
    for inspection in inspections:
        started.append(inspection)
        if len(started) > INSPECTORS:
            yield started.popleft()
    yield from started


def _with_names(lease: BatchLease, images: Sequence[_Image]) -> tuple[list[_Image], _Unusable]:
    """Return the images with their names in CVAT, in the order of frames, and why others cannot have one."""
    images = sorted(images, key=lambda image: frame_order(image.member.stored))
    named: dict[str, _Image] = {}
    nameless: _Unusable = {}
    for image, name in zip(images, _names_in_cvat(lease, images), strict=True):
        if name in named:
            instead = "only `upload: stream` renames; `batch: {group_by: folder}` keeps folders apart"
            what = f"another file of its batch is called {name!r} too: {instead}"
            nameless[image.member.id] = ImageError(what)
        else:
            named[name] = replace(image, name=name)
    return list(named.values()), nameless


def _names_in_cvat(lease: BatchLease, images: Sequence[_Image]) -> list[str]:
    options = lease.spec.task
    keys = [image.member.key for image in images]
    if options.upload is UploadMethod.SHARE:
        return [options.share_prefix + key for key in keys]
    if options.upload is UploadMethod.CLOUD:
        return keys  # folders included
    if options.upload is UploadMethod.REMOTE:
        return [base_name(key) for key in keys]  # CVAT names a downloaded file by the end of its URL
    suffixed = [_with_suffix(image.member.key, image.facts) for image in images]
    return upload_names(suffixed, [upload_identity(image.member.stored) for image in images])


def _with_suffix(key: str, facts: Inspection | None) -> str:
    # CVAT recognises images by their suffix alone, and skips other files silently. Its list does not know .avif.
    guessed, _ = mimetypes.guess_type(base_name(key))
    if facts is None or (guessed and guessed.startswith("image/") and guessed != _AVIF):
        return key
    suffix = mimetypes.guess_extension(facts.mime) if facts.mime != _AVIF else None
    return key + (suffix or ".jpg")


# --- upload -----------------------------------------------------------------------------------------------------------


def _record_begin(lease: BatchLease, row: TaskRow, images: Sequence[_Image]) -> list[_Image]:
    """Record what is about to be sent: the images that are still in the batch and not quarantined."""
    with lease.transaction() as tx:
        members = {member.id: member for member in batches.members(tx, lease.batch_id, quarantined=False, lock=True)}
        sending = [(members[image.member.id], image) for image in images if image.member.id in members]
        for member, image in sending:
            member.upload_name = image.name
            if image.facts is not None:
                record_inspection(tx, member, image.facts)
        if sending:
            tasks.mark_upload_begun(tx, row.id, len(sending))
    return [image for _, image in sending]


def _upload(lease: BatchLease, row: TaskRow, send: Callable[[], Receipt]) -> Receipt | None:
    """Send the images; return CVAT's receipt, or None if the response was lost."""
    lease.check()
    failpoint("upload_data.begun")
    try:
        receipt = send()
    except CvatUnreachable:
        with lease.transaction() as tx:
            tasks.mark_upload_not_begun(tx, row.id)
        raise
    except (UnclearAnswer, CvatCrashed, CvatBusy) as error:
        _log.warning("%s: the response to the upload is unclear, watching the server: %s", lease.batch_id, error)
        return None
    failpoint("upload_data.sent")
    with lease.transaction() as tx:
        tasks.mark_uploaded(tx, row.id, receipt.request_id)
    failpoint("upload_data.answered")
    return receipt


def _stream(lease: BatchLease, task_id: int, images: Sequence[_Image], progress: Progress | None) -> Receipt:
    files = [_file(image) for image in images]
    total = sum(file.size for file in files)

    def sent(count: int) -> None:
        failpoint("upload_data.sending")
        if progress is not None:
            progress(count, total)

    return lease.cvat.upload(task_id, files, _data(lease, images), sent)


def _data(lease: BatchLease, images: Sequence[_Image]) -> DataSpec:
    names = [image.name for image in images]
    truth = lease.spec.quality.choose(lease.batch_id, names, lease.spec.task.segment_size)
    return replace(lease.spec.task.data(), ground_truth=truth)


def _file(image: _Image) -> UploadFile:
    assert image.spooled is not None, "with `upload: stream` every image is on the spool"
    assert image.facts is not None, "every image on the spool was inspected"
    path = image.spooled.path

    def content() -> BinaryIO:
        return path.open("rb")

    return UploadFile(image.name, image.spooled.size, content, image.facts.mime)


def _remote(lease: BatchLease, task_id: int, images: Sequence[_Image], _progress: Progress | None) -> Receipt:
    seconds = int(lease.context.settings.upload_deadline_seconds) + _PRESIGN_MARGIN
    urls = [lease.context.store.presign(image.member.stored, seconds) for image in images]
    return lease.cvat.upload_remote(task_id, urls, _data(lease, images))


def _share(lease: BatchLease, task_id: int, images: Sequence[_Image], _progress: Progress | None) -> Receipt:
    return lease.cvat.upload_share(task_id, [image.name for image in images], _data(lease, images))


def _cloud(
    storage: int, lease: BatchLease, task_id: int, images: Sequence[_Image], _progress: Progress | None
) -> Receipt:
    return lease.cvat.upload_cloud(task_id, storage, [image.name for image in images], _data(lease, images))


_Sender: TypeAlias = Callable[[BatchLease, int, Sequence[_Image], Progress | None], Receipt]
_UPLOADS: Mapping[UploadMethod, _Sender] = {
    UploadMethod.STREAM: _stream,
    UploadMethod.REMOTE: _remote,
    UploadMethod.SHARE: _share,
}


def _sender(lease: BatchLease) -> _Sender:
    """Return what uploads the images; for `cloud` the bucket is known to CVAT then. Raises SettingsError."""
    if lease.spec.task.upload is not UploadMethod.CLOUD:
        return _UPLOADS[lease.spec.task.upload]
    bucket = lease.spec.sources[0].bucket  # of all sources
    return partial(_cloud, cloud_storage(lease.context, lease.spec.cvat, bucket))


def _record_uploaded(lease: BatchLease, reason: str) -> None:
    with lease.transaction() as tx:
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state is BatchState.CREATED:
            batches.move(tx, batch, BatchState.UPLOADED, reason)
    failpoint("upload_data.recorded")
