"""Quality control with CVAT 2.73's recorded responses: the order of the requests, and what is read of a report."""

from __future__ import annotations

import io

import pytest

from labelyard.cvat import DIALECTS
from labelyard.domain.quality import Quality
from labelyard.domain.tasks import DataSpec, GroundTruth, UploadFile
from labelyard.errors import CvatRefused, CvatUnreachable, UnclearAnswer
from tests.support.dialect_stepping import json_response, play, recorded, recorded_polls

V273 = "cvat-2.73"
FILE = UploadFile("a.jpg", 1, lambda: io.BytesIO(b"a"))


def test_a_report_has_figures_of_the_task_and_of_each_job_with_compared_frames() -> None:
    responses = [recorded(1206, V273), *recorded_polls(1207, V273), recorded(1208, V273)]
    report, requests, _ = play(DIALECTS["v2"].quality_report(83), responses)
    assert requests[0].json == {"task_id": 83}
    assert (report.id, report.task) == (1, Quality(2, 1 / 3, 0.5, 0.5, 2))
    assert report.jobs == {54: Quality(1, 1.0, 1.0, 1.0, 0), 55: Quality(1, 0.0, 0.0, 0.0, 2)}


def test_a_report_before_the_ground_truth_is_accepted_is_refused_in_cvats_words() -> None:
    with pytest.raises(CvatRefused, match="require a Ground Truth job in the task at the acceptance stage"):
        play(DIALECTS["v2"].quality_report(83), [recorded(1199, V273)])


def test_ground_truth_is_sent_after_the_files() -> None:
    data = DataSpec(ground_truth=GroundTruth(("p_0.jpg", "p_1.jpg"), honeypots=1, seed=7))
    responses = [json_response(202), json_response(200), recorded(1226, V273)]
    receipt, requests, _ = play(DIALECTS["v2"].upload(85, [FILE], data), responses)
    headers = [dict(request.headers) for request in requests]
    assert headers == [{"Upload-Start": "true"}, {"Upload-Multiple": "true"}, {"Upload-Finish": "true"}]
    assert requests[-1].json == {
        "image_quality": 70,
        "sorting_method": "random",
        "validation_params": {
            "mode": "gt_pool", "frame_selection_method": "manual", "frames": ["p_0.jpg", "p_1.jpg"],
            "frames_per_job_count": 1, "random_seed": 7,
        },
    }  # fmt: skip
    assert receipt.request_id == "action=create&target=task&target_id=85"


def test_files_that_arrived_are_not_sent_again_when_the_last_request_finds_no_server() -> None:
    exchange = DIALECTS["v2"].upload(85, [FILE], DataSpec(ground_truth=GroundTruth(("a.jpg",))))
    next(exchange)
    exchange.send(json_response(202))
    exchange.send(json_response(200))
    with pytest.raises(UnclearAnswer, match="all files were sent"):
        exchange.throw(CvatUnreachable("refused"))
