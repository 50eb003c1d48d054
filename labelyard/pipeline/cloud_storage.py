"""The cloud storage of a bucket in CVAT 2.x: found, or registered once with the credentials that the settings choose.

A registration whose response was lost is looked for. Two runs may register a bucket at the same time: the lowest id
counts, and the other one stays, because CVAT deletes a storage although tasks read their frames from it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from labelyard.context import Context
from labelyard.cvat_names import server_of
from labelyard.cvat_settings import CloudSettings
from labelyard.domain.tasks import CloudCredentials, CloudStorage
from labelyard.errors import CvatCrashed, CvatRefused, CvatUnauthorized, SettingsError, UnclearAnswer
from labelyard.settings import Settings, StoreSettings

_log = logging.getLogger(__name__)


def cloud_storage(context: Context, cvat_name: str, bucket: str) -> int:
    """Return the id of the bucket's cloud storage in a CVAT; register it if there is none and the settings say how.

    Raises SettingsError if they do not, or if CVAT cannot read the bucket.
    """
    found = find_cloud_storage(context, cvat_name, bucket)
    if found is None:
        _register(context, cvat_name, bucket)
        found = find_cloud_storage(context, cvat_name, bucket)
    if found is None:
        raise SettingsError(
            f"the bucket {bucket} was registered and is not listed", where=context.cvat(cvat_name).url,
            next_step="labelyard doctor",
        )  # fmt: skip
    return found.id


def find_cloud_storage(context: Context, cvat_name: str, bucket: str) -> CloudStorage | None:
    """Return the oldest cloud storage of the bucket at the endpoint of the settings, None if there is none."""
    storages = context.cvat(cvat_name).cloud_storages(bucket)
    return choose_storage(storages, cloud_endpoint(context.settings, cvat_name))


def choose_storage(storages: Sequence[CloudStorage], endpoint: str) -> CloudStorage | None:
    """Return the first of a bucket's storages that is at the endpoint and holds all of its keys."""
    fitting = (one for one in storages if one.endpoint_url.rstrip("/") == endpoint and not one.prefix)
    return next(fitting, None)


def cloud_endpoint(settings: Settings, cvat_name: str) -> str:
    """Return the address of the store as CVAT reaches it; an empty string for AWS."""
    return (settings.cvat_named(cvat_name).cloud.endpoint_url or settings.store.endpoint_url or "").rstrip("/")


def registering_help(cvat_name: str) -> str:
    """Return what to do for a bucket that CVAT does not have."""
    return f"register it in CVAT, or set {_variable(cvat_name)} to keys, store or anonymous"


def _variable(cvat_name: str) -> str:
    return f"LABELYARD_CVAT__{server_of(cvat_name).upper().replace('-', '_')}__CLOUD__CREDENTIALS"


def _register(context: Context, cvat_name: str, bucket: str) -> None:
    cvat, settings, store = (
        context.cvat(cvat_name),
        context.settings.cvat_named(cvat_name).cloud,
        context.settings.store,
    )
    endpoint = cloud_endpoint(context.settings, cvat_name)
    if settings.credentials == "registered":
        what = f"CVAT {cvat_name} has no cloud storage for the bucket {bucket}{f' at {endpoint}' if endpoint else ''}"
        raise SettingsError(what, where=cvat.url, next_step=registering_help(cvat_name))
    storage = CloudStorage(0, bucket, endpoint, store.region or "")
    variable = _variable(cvat_name)
    try:
        cvat.create_cloud_storage(storage, _credentials(settings, store, variable))
    except (UnclearAnswer, CvatCrashed) as error:
        _log.warning("registering the bucket %s in CVAT %s: %s; searching the server", bucket, cvat_name, error)
        if find_cloud_storage(context, cvat_name, bucket) is None:
            raise
        return
    except CvatUnauthorized:
        raise
    except CvatRefused as error:
        raise SettingsError(
            f"CVAT cannot read the bucket {bucket}: {error.what}", where=cvat.url,
            next_step=f"correct {variable} and the keys, or __CLOUD__ENDPOINT_URL, the store's address as CVAT has it",
        ) from error  # fmt: skip
    _log.info("the bucket %s is registered in CVAT %s", bucket, cvat_name)


def _credentials(settings: CloudSettings, store: StoreSettings, variable: str) -> CloudCredentials | None:
    if settings.credentials == "anonymous":
        return None
    source = store if settings.credentials == "store" else settings
    if not (source.access_key_id and source.secret_access_key):
        raise SettingsError(
            f"{variable}=store, and LABELYARD_STORE has no keys",
            next_step="set LABELYARD_STORE__ACCESS_KEY_ID and its SECRET_ACCESS_KEY, or choose keys",
        )
    return CloudCredentials(source.access_key_id, source.secret_access_key.get_secret_value())
