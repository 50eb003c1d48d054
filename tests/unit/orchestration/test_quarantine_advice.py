"""What ends quarantines is said once, however many files and reasons there are."""

from __future__ import annotations

from labelyard.domain.quarantine import ARCHIVED, MANUALLY
from labelyard.orchestration.quarantine_advice import quarantine_advice


def test_files_with_the_same_way_out_have_one_advice() -> None:
    shown = quarantine_advice((f"no image: {n} bytes", f"s3://b/{n}.jpg") for n in range(9))
    assert shown.startswith("next for quarantined files: upload a good file under the same key")
    assert "\n" not in shown


def test_each_further_way_names_a_reason_and_its_command() -> None:
    files = [("no image", "s3://b/1"), (f"{MANUALLY}blurred", "s3://b/2"), (f"{ARCHIVED}glacier", "s3://b/3")]
    general, manual, archived = quarantine_advice(files).split("\n\n")
    assert general.startswith("next for quarantined files, such as `no image`: upload")
    assert manual.startswith("next for quarantined files, such as `manually: blurred`: `labelyard restore s3://b/2`")
    assert "`labelyard restore s3://b/3`" in archived
    assert quarantine_advice([]) == ""
