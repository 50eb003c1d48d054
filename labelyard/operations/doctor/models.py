"""Every model that predicts for a dataset answers, and accepts its token; files of predictions can be listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from labelyard.domain.objects import parse_address
from labelyard.domain.preannotation import is_endpoint
from labelyard.errors import NoPredictions
from labelyard.model_client import reach_model
from labelyard.operations.doctor.check import Check, CheckResult, Installation, ok, warning
from labelyard.server_settings import model_token
from labelyard.storage.store import Store

_SECONDS = 10.0
_CORRECT = "start the model, or correct `preannotate` and labelyard apply FILE"
_LEFT_OUT = "batches go on without predictions until then"


def checks(installation: Installation) -> Mapping[str, Check]:
    """Return a check for each model, and for each address in a bucket, that a dataset names."""
    sources = sorted({spec.preannotate.source for spec in installation.datasets if spec.preannotate})
    return {
        f"predictions {source}": partial(_check_model if is_endpoint(source) else _check_files, source)
        for source in sources
        if is_endpoint(source) or parse_address(source)
    }


def _check_model(source: str, installation: Installation) -> Iterator[CheckResult]:
    name, token = f"predictions {source}", model_token(installation.settings.model, source)
    try:
        status = reach_model(source, token, _SECONDS)
    except NoPredictions as error:
        yield warning(name, f"{error.what}: {_LEFT_OUT}", _CORRECT)
        return
    if status in (401, 403):
        which = "it refuses the token" if token else "it wants a token"
        yield warning(name, f"{which} ({status}): {_LEFT_OUT}", "set LABELYARD_MODEL__<NAME>__URL and its TOKEN")
    elif status == 404 or status >= 500:
        yield warning(name, f"it answers {status}: {_LEFT_OUT}", "correct the address, or look at the model's log")
    else:
        yield ok(name, "it answers" + (", with a token" if token else ""))


def _check_files(source: str, installation: Installation) -> Iterator[CheckResult]:
    bucket, key = parse_address(source) or ("", "")
    first = next(Store(installation.settings.store).list(bucket, key), None)
    if first is None:
        next_step = "write it, or correct `preannotate` and labelyard apply FILE"
        yield warning(f"predictions {source}", f"there is no such file: {_LEFT_OUT}", next_step)
    else:
        yield ok(f"predictions {source}", "can be listed")
