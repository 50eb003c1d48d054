"""Releases of a dataset: what each merges, who builds it, and the images that are or were in one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import islice

from sqlalchemy import delete, select

from labelyard.domain.objects import address_of
from labelyard.domain.states import BatchState
from labelyard.errors import LeaseLost, LeaseTaken, NotFound
from labelyard.ledger import datasets
from labelyard.ledger.database import Transaction, dialect_insert
from labelyard.ledger.exports import DEFAULT_FORMAT
from labelyard.ledger.history import record
from labelyard.ledger.lease_rows import end_lease, extend_lease
from labelyard.ledger.release_tables import Release, ReleasedImage
from labelyard.ledger.tables import Batch, Dataset, Export, Object

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """An image of a release that is about to be published."""

    identity: str
    image_id: int
    split: str
    split_group: str


@dataclass(frozen=True, slots=True)
class FoundRelease:
    """A release in the bucket; `sources` are the SHA-256 of the exports that it merges."""

    dataset: str
    number: int
    version: int
    bucket: str
    prefix: str
    manifest_sha256: str
    annotations: int
    sources: Sequence[str]


# --- what a release merges --------------------------------------------------------------------------------------------


def mergeable(tx: Transaction, dataset: str) -> Sequence[Export]:
    """Return the current COCO export of each batch whose annotations are final, in the order of the batches.

    A batch that was reopened, or that is exported again at the moment, is not final.
    """
    query = (
        select(Export)
        .join(Batch, Batch.id == Export.batch_id)
        .where(
            Batch.dataset == dataset,
            Batch.state.in_((BatchState.EXPORTED, BatchState.ARCHIVED)),
            Export.current,
            Export.format == DEFAULT_FORMAT,
        )
        .order_by(Batch.number)
    )
    return tx.scalars(query).all()


def inputs(tx: Transaction, release: Release) -> Sequence[Export]:
    """Return the exports that a release merges, in the order of their batches."""
    query = select(Export).join(Batch, Batch.id == Export.batch_id).where(Export.id.in_(release.exports))
    return tx.scalars(query.order_by(Batch.number)).all()


def objects_of(tx: Transaction, batch_id: str) -> Sequence[Object]:
    """Return the objects of a batch that CVAT received, quarantined and deleted ones too."""
    return tx.scalars(select(Object).where(Object.batch_id == batch_id, Object.upload_name.is_not(None))).all()


def first_of_content(tx: Transaction, one: Object, release: Release, *, with_deleted: bool) -> Object | None:
    """Return the object whose image a release has for this one's content, which others may have too; None if none."""
    if one.sha256 is None:
        return None
    query = (
        select(Object)
        .join(Batch, Batch.id == Object.batch_id)
        .join(Export, Export.batch_id == Batch.id)
        .where(
            Export.id.in_(release.exports), Object.dataset == one.dataset, Object.sha256 == one.sha256,
            Object.upload_name.is_not(None), Object.quarantine_reason.is_(None),
        )
        .order_by(Batch.number, Object.id)
        .limit(1)
    )  # fmt: skip
    return tx.scalars(query if with_deleted else query.where(Object.deleted_at.is_(None))).first()


# --- building ---------------------------------------------------------------------------------------------------------


def unpublished(tx: Transaction, dataset: str) -> Release | None:
    """Return the release that is being built, or was when its run died."""
    return tx.scalars(select(Release).where(Release.dataset == dataset, Release.published_at.is_(None))).one_or_none()


def latest(tx: Transaction, dataset: str) -> Release | None:
    """Return the newest published release."""
    query = select(Release).where(Release.dataset == dataset, Release.published_at.is_not(None))
    return tx.scalars(query.order_by(Release.number.desc()).limit(1)).one_or_none()


def get(tx: Transaction, dataset: str, number: int | None = None) -> Release:
    """Return a published release, by default the newest. Raises NotFound."""
    newest = latest(tx, dataset)
    if newest is None:
        raise NotFound(f"the dataset {dataset} has no release yet", next_step=f"labelyard release {dataset}")
    query = select(Release).where(Release.dataset == dataset, Release.number == number)
    found = newest if number is None else tx.scalars(query.where(Release.published_at.is_not(None))).one_or_none()
    if found is None:
        what = f"the dataset {dataset} has no release {number}: the newest one is {newest.number}"
        raise NotFound(what, next_step=f"labelyard fetch {dataset}/{newest.number} --to FOLDER")
    return found


def planned(tx: Transaction, dataset: str, bucket: str, folder: str) -> Release:
    """Return the release that is next: the one that a run which died has left, or a new row that is not added yet.

    What it merges is fixed here. `folder` is the prefix of all releases.
    """
    found = unpublished(tx, dataset)
    if found is not None:
        return found
    before = latest(tx, dataset)
    number = before.number + 1 if before else 1
    return Release(
        dataset=dataset, number=number, version=tx.get_one(Dataset, dataset).version,
        previous=before.number if before else None, bucket=bucket, prefix=f"{folder}{dataset}/{number}/",
        begun_at=tx.now, exports=[export.id for export in mergeable(tx, dataset)],
    )  # fmt: skip


def acquire(tx: Transaction, dataset: str, bucket: str, folder: str, holder: str, lease: timedelta) -> Release:
    """Return the release to build (see `planned`), leased to `holder`. Raises LeaseTaken if another run builds it."""
    datasets.lock(tx, dataset)
    found = planned(tx, dataset, bucket, folder)
    _check_free(tx, found)
    if found.id is None:
        tx.add(found)
        record(tx, "release begun", f"release {found.number} of {len(found.exports)} batches", dataset=dataset)
    found.leased_by, found.leased_until = holder, tx.now + lease
    tx.flush()
    return found


def _check_free(tx: Transaction, release: Release) -> None:
    if release.leased_until is not None and release.leased_until > tx.now:
        until = f"{release.leased_until:%H:%M:%S} UTC"
        raise LeaseTaken(f"{release.leased_by} builds release {release.number} until {until}", where=release.dataset)


def extend(tx: Transaction, release_id: int, holder: str, lease: timedelta) -> None:
    """Extend a lease. Raises LeaseLost when another run builds the release, or has published it."""
    if not extend_lease(tx, Release, release_id, holder, lease, Release.published_at.is_(None)):
        raise LeaseLost("the lease ran out and another run may build the release", where=f"release {release_id}")


def give_up(tx: Transaction, release_id: int, holder: str) -> None:
    """Release the lease of a run that failed, so that the next one continues at once."""
    end_lease(tx, Release, release_id, holder)


def discard(tx: Transaction, release_id: int, holder: str) -> None:
    """Forget a release that its holder has not published, and of which the bucket has no file."""
    tx.execute(
        delete(Release).where(Release.id == release_id, Release.leased_by == holder, Release.published_at.is_(None))
    )


def publish(
    tx: Transaction, release_id: int, manifest_sha256: str, annotations: int, images: Iterable[PublishedImage]
) -> Release:
    """Record that all files of a release are in the bucket, and the images that it has."""
    release = tx.get_one(Release, release_id, populate_existing=True)
    release.images = _record_images(tx, release, images)
    release.manifest_sha256, release.annotations = manifest_sha256, annotations
    release.published_at, release.leased_by, release.leased_until = tx.now, None, None
    words = f"release {release.number}: {release.images} images, {annotations} annotations"
    record(tx, "released", words, dataset=release.dataset)
    return release


def recover(tx: Transaction, found: FoundRelease, images: Iterable[PublishedImage]) -> None:
    """Record a release that is in the bucket already. Raises LeaseTaken while a run builds one."""
    datasets.lock(tx, found.dataset)
    begun = unpublished(tx, found.dataset)
    if begun is not None:  # what it was to merge goes into the one after this
        _check_free(tx, begun)
        tx.delete(begun)
        tx.flush()
    before = latest(tx, found.dataset)
    exports = select(Export.id).join(Batch, Batch.id == Export.batch_id).where(
        Batch.dataset == found.dataset, Export.sha256.in_(found.sources)
    )  # fmt: skip
    row = Release(
        dataset=found.dataset, number=found.number, version=found.version, previous=before.number if before else None,
        bucket=found.bucket, prefix=found.prefix, manifest_sha256=found.manifest_sha256, annotations=found.annotations,
        begun_at=tx.now, published_at=tx.now, exports=list(tx.scalars(exports)),
    )  # fmt: skip
    tx.add(row)
    tx.flush()
    row.images = _record_images(tx, row, images)
    record(tx, "released", f"release {found.number} was read back from the bucket", dataset=found.dataset)


def _record_images(tx: Transaction, release: Release, images: Iterable[PublishedImage]) -> int:
    """Add the images, or record for those of earlier releases that this one has them. Return their number."""
    new = dialect_insert(tx, ReleasedImage).values(
        dataset=release.dataset, first_release=release.number, last_release=release.number
    )
    statement = new.on_conflict_do_update(index_elements=["dataset", "identity"], set_={"last_release": release.number})
    count, rest = 0, iter(images)
    while rows := [asdict(image) for image in islice(rest, _ROWS_AT_ONCE)]:
        tx.execute(statement, rows)
        count += len(rows)
    return count


# --- the images -------------------------------------------------------------------------------------------------------


def identity_of(one: Object) -> str:
    """Return what identifies the content of an object: its SHA-256, or else where it is and its ETag."""
    return one.sha256 or f"{address_of(one.bucket, one.key)}#{one.etag}"


def splits(tx: Transaction, dataset: str) -> dict[str, str]:
    """Return the split of every image that is or was in a release, by its identity."""
    query = select(ReleasedImage.identity, ReleasedImage.split).where(ReleasedImage.dataset == dataset)
    return dict(tx.execute(query).tuples().all())


def image(tx: Transaction, dataset: str, identity: str) -> ReleasedImage | None:
    """Return the image of a content, None if no release has had it."""
    return tx.get(ReleasedImage, (dataset, identity))
