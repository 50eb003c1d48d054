"""Why objects are quarantined, by the first words of the reason, and what ends a quarantine."""

from __future__ import annotations

MANUALLY = "manually: "
"""A person has quarantined it."""
ARCHIVED = "archived: "
"""It is in an archive of the store, and cannot be read at once."""
REFUSED = "refused by the store: "
"""The store does not let labelyard read it."""
NEW_CONTENT = "a new content of what is labelled in "
"""Its file is labelled already, and the dataset's `overwrites` is not `relabel`."""

_OTHERWISE = (
    "deleting the file ends the entry too, if deletions are notified; its batch continues without it in any case"
)
_NEW_FILE = "another file under the same key is labelled with the next batch"


def what_ends_it(reason: str, url: str) -> str:
    """Return what a person can do about an object that is quarantined for a reason, and what happens then.

    `url` is its s3:// address. A command comes first, and ends before the semicolon.
    """
    if reason.startswith(MANUALLY):
        return f"labelyard restore {url}; or upload: {_NEW_FILE}, which ends the entry"
    if reason.startswith(NEW_CONTENT):
        return f"labelyard restore {url}; then the new content is labelled with the next batch, beside the first one"
    if reason.startswith(ARCHIVED):
        return f"bring it back from the archive, then: labelyard restore {url}; {_OTHERWISE}"
    if reason.startswith(REFUSED):
        return (
            "allow labelyard to read it: the next sweep registers it again, without a command; "
            f"or upload: {_NEW_FILE}, which ends the entry; {_OTHERWISE}"
        )
    return (
        f"upload a good file under the same key: it is labelled with the next batch, which ends the entry; {_OTHERWISE}"
    )
