"""What a server's message about a failed upload says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.creation_failures import blamed_file, failed_download

_names = st.from_regex(r"[a-z0-9][a-z0-9 _().é-]{0,20}\.(jpg|png)", fullmatch=True)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Exception: Failed to download http://127.0.0.1:8099/none.jpg. 404 - File not found", "none.jpg"),
        ("Failed to download http://127.0.0.1:8991/nope.jpg; HTTP error 404", "nope.jpg"),
        ("Exception: Failed to download http://s3/left%20one%2B1.jpg?X-Amz-Date=1. 403 - Forbidden", "left one+1.jpg"),
        ("Exception: Invalid URL: http://s3/in/a.jpg. timed out", "a.jpg"),
        ("exceptions.NotFound: The file 'in/it's.jpg' not found on the cloud storage 'b'", "in/it's.jpg"),
        ("PermissionDenied: Access to the file 'in/1.jpg' on the 'b' cloud storage is denied", "in/1.jpg"),
        ('EndpointConnectionError: Could not connect to the endpoint URL: "http://s3/b/in/1.jpg"', "1.jpg"),
        ("OSError: cannot identify image file '/data/a.jpg'", None),
    ],
)
def test_what_could_not_be_read_from_the_store_is_recognised_with_its_name(message: str, name: str | None) -> None:
    assert failed_download(message) == name


@pytest.mark.parametrize(
    ("message", "names", "blamed"),
    [
        ("OSError: cannot identify image file '/data/raw/1.jpg'", ["1.jpg", "11.jpg"], "1.jpg"),
        ("OSError: cannot identify image file '/data/raw/11.jpg'", ["1.jpg", "11.jpg"], "11.jpg"),
        ("OSError: bad /share/in/a/1.jpg", ["in/b/1.jpg", "in/a/1.jpg"], "in/a/1.jpg"),
        ("image file is truncated (12 bytes not processed)", ["1.jpg"], None),
        ("OSError: [Errno 28] No space left on device: '/data/raw/1.jpg'", ["1.jpg"], None),
        ("Exception: Failed to download http://s3/1.jpg. 403 - Forbidden", ["1.jpg"], None),
        ("NotFound: The file 'in/1.jpg' not found on the cloud storage 'b'", ["in/1.jpg"], None),
        ('ReadTimeoutError: Read timeout on endpoint URL: "http://s3/b/in/1.jpg"', ["in/1.jpg"], None),
        ("Work-horse process was terminated unexpectedly (waitpid returned 9)", ["9"], None),
    ],
)
def test_the_file_that_a_message_blames(message: str, names: list[str], blamed: str | None) -> None:
    assert blamed_file(message, names) == blamed


@given(_names, st.lists(_names))
def test_a_file_named_by_its_path_is_found_among_all_others(name: str, others: list[str]) -> None:
    assert blamed_file(f"OSError: cannot identify image file '/data/raw/{name}'", [*others, name]) == name


@given(st.text(), st.lists(_names))
def test_any_message_is_read_without_an_error_and_only_a_given_name_is_blamed(message: str, names: list[str]) -> None:
    assert blamed_file(message, names) in {None, *names}
    failed_download(message)
