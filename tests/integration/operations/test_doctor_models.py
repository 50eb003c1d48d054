"""The doctor about models that predict, and files of predictions."""

from __future__ import annotations

from labelyard.config import DatasetSpec
from labelyard.operations.doctor.check import Installation, Status
from labelyard.operations.doctor.models import checks
from labelyard.server_settings import ModelSettings
from labelyard.settings import Settings
from tests.support.emulator import StoreServer
from tests.support.model_server import serve_model


def results(source: str, settings: Settings) -> list[tuple[Status, str, str]]:
    document = {
        "name": "street", "sources": [{"bucket": "raw", "prefix": "in/"}], "task": {"labels": ["car"]},
        "preannotate": {"from": source}, "annotators": ["ann"], "export": {"prefix": "out/"},
    }  # fmt: skip
    installation = Installation(settings, (DatasetSpec.model_validate(document),))
    found = [result for check in checks(installation).values() for result in check(installation)]
    return [(one.status, one.message, one.next_step) for one in found]


def test_a_model_that_answers_one_that_wants_a_token_and_one_that_is_away() -> None:
    settings = Settings(_env_file=None, PREFECT_API_URL=None)  # type: ignore[call-arg]
    with serve_model() as model:
        assert results(model.url, settings) == [(Status.OK, "it answers", "")]
        [(status, message, _)] = results(f"{model.url}/elsewhere", settings)
        assert (status, "it answers 404" in message) == (Status.WARNING, True)
        model.options_status = 401
        [(status, message, next_step)] = results(model.url, settings)
        assert (status, "it wants a token" in message) == (Status.WARNING, True)
        assert "LABELYARD_MODEL__" in next_step
        settings.model["m"] = ModelSettings.model_validate(
            {"url": model.url.removesuffix("/predict"), "token": "s3cret"}
        )
        [(_, message, _)] = results(model.url, settings)
        assert "it refuses the token" in message
        assert "s3cret" not in message
    [(status, message, next_step)] = results("http://127.0.0.1:1/predict", settings)
    assert (status, "no answer" in message) == (Status.WARNING, True)
    assert "labelyard apply" in next_step


def test_files_that_exist_and_files_that_do_not(store_server: StoreServer) -> None:
    settings = Settings(_env_file=None, PREFECT_API_URL=None, store=store_server.settings)  # type: ignore[call-arg]
    bucket = store_server.new_bucket()
    assert results(f"s3://{bucket}/p/", settings)[0][0] is Status.WARNING
    store_server.boto("s3").put_object(Bucket=bucket, Key="p/a.json", Body=b"{}")
    assert results(f"s3://{bucket}/p/", settings)[0][0] is Status.OK
    assert results("coco", settings) == []
