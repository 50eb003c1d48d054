"""CVAT 2.x: slow requests, and quality control: ground truth, merges of replicas, quality reports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import quote

from labelyard.cvat.decoding import decode, fetch, send
from labelyard.cvat.encoding import encode_data_spec, file_fields
from labelyard.cvat.error_responses import one_line
from labelyard.cvat.exchange import Exchange, Pause, Request, Response, poll_intervals, upload_timeout
from labelyard.cvat.multipart import Multipart
from labelyard.cvat.v2_values import SlowRequest, decode_quality_report, decode_request
from labelyard.cvat.v2_webhooks import Webhooks
from labelyard.domain.quality import QualityReport
from labelyard.domain.tasks import DataSpec, Receipt, UploadFile
from labelyard.errors import CvatCrashed, CvatDisagrees, CvatError, CvatUnreachable, UnclearAnswer


class Quality(Webhooks):
    """The part of the dialect of CVAT 2.x for quality control."""

    def upload(self, task_id: int, files: Sequence[UploadFile], data: DataSpec) -> Exchange[Receipt]:
        """Send all files in one request; with ground truth, whose fields no form can hold, in three [2.73 1217-1219].

        Only the last one makes frames, so a task without it can be deleted.
        """
        if data.ground_truth is None:
            return (yield from super().upload(task_id, files, data))
        path = f"{self.root}/tasks/{task_id}/data"
        yield from send(Request("POST", path, headers={"Upload-Start": "true"}))
        body = Multipart([("image_quality", str(data.image_quality))], file_fields(files))
        sending = Request("POST", path, body=body, timeout=upload_timeout(files), headers={"Upload-Multiple": "true"})
        yield from send(sending)
        finish = Request("POST", path, json=encode_data_spec(data), headers={"Upload-Finish": "true"})
        try:
            return (yield from self._receive(task_id, finish))
        except CvatUnreachable as error:
            # The files are there, so that another upload to this task would fail: each name may come once [2.73 0145].
            raise UnclearAnswer(f"all files were sent, and then: {error.what}", request=str(finish)) from error

    def merge_replicas(self, job_id: int) -> Exchange[None]:
        """Replace what a job holds by the consensus of its replicas, and complete the job [2.73 1251-1253].

        A start while one runs is 409 with the same id.
        """
        start = Request("POST", f"{self.root}/consensus/merges", json={"job_id": job_id})
        yield from self._finished(start, accept={409}, failure=CvatCrashed)

    def quality_report(self, task_id: int) -> Exchange[QualityReport]:
        """Let the server compare the jobs of a task with its ground truth; return the new report [2.73 1206-1210]."""
        start = Request("POST", f"{self.root}/quality/reports", json={"task_id": task_id}, idempotent=True)
        ended = yield from self._finished(start, accept={409}, failure=CvatCrashed)
        found = yield from self._all("quality/reports", {"task_id": str(task_id)}, dict)
        reports = [one for one in found if ended.result in (one.get("id"), one.get("parent_id"))]
        try:
            return decode_quality_report(ended.result or 0, reports)
        except (LookupError, TypeError, ValueError) as error:
            what = f"the quality reports have an unknown shape ({type(error).__name__}: {error})"
            raise CvatDisagrees(what, where=f"task {task_id}") from error

    def _finished(
        self, start: Request, *, failure: type[CvatError], accept: Collection[int] = ()
    ) -> Exchange[SlowRequest]:
        """Start something and wait until it has finished. Raises `failure` if it has failed."""
        started = yield from send(start, accept=accept)
        ended = yield from self._ended(self._progress_of(start, started))
        if ended.state == "failed":
            raise failure(one_line(ended.message), request=str(start))
        return ended

    def _progress_of(self, start: Request, started: Response) -> Request:
        """Return the request that asks for the progress of what `start` has begun."""
        request_id = decode(start, started, lambda data: str(data["rq_id"]))
        return self._get(f"requests/{quote(request_id, safe='')}")

    def _ended(self, progress: Request) -> Exchange[SlowRequest]:
        """Poll until the state is finished or failed."""
        for seconds in poll_intervals():
            found = yield from fetch(progress, decode_request)
            if found.state in {"finished", "failed"}:
                return found
            yield Pause(seconds, f"request {found.state}")
        raise AssertionError("poll intervals never end")
