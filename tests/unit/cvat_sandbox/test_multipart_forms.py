"""The names of files and fields in a multipart form."""

from __future__ import annotations

import pytest

from cvat_sandbox.web import multipart


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a.jpg", "a.jpg"),
        ("dir/x.jpg", "x.jpg"),
        ("C:\\photos\\y.jpg", "y.jpg"),
        ("../../etc/passwd.jpg", "passwd.jpg"),
        (" a b&amp;c.jpg ", "a b&c.jpg"),
        ("x" * 300 + ".jpg", "x" * 251 + ".jpg"),
        ("dir/", ""),
    ],
)
def test_file_names_lose_their_folders(sent: str, kept: str) -> None:
    assert multipart.base_name(sent) == kept


def test_fields_are_ordered_by_their_numbers() -> None:
    names_sent = [
        "client_files[10]",
        "client_files[2]",
        "client_files",
        "client_files[x]",
        "files[0]",
        "client_files[3]y",
    ]
    assert multipart.indexed("client_files", names_sent) == ["client_files[2]", "client_files[10]"]
