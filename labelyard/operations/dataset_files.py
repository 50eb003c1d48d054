"""`labelyard plan FILE` and `apply FILE`: what a dataset file changes in the ledger, and storing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from labelyard.config import DatasetSpec
from labelyard.domain.plan import Action, Difference, Sign, Topic, plan_labels, plan_people, plan_settings
from labelyard.errors import InputError, NotFound
from labelyard.ledger import Transaction, datasets, exports


@dataclass(frozen=True)
class Stored:
    """A dataset file in the ledger: its version, whether that is new, and what it has changed."""

    version: int
    is_new: bool
    differences: Sequence[Difference]


def store_file(tx: Transaction, spec: DatasetSpec, *, allow_loss: bool = False) -> Stored:
    """Store a dataset file as the next version, unless it says the same. Raises InputError for a loss."""
    differences = plan_file(tx, spec)
    require_no_loss(differences, allow_loss=allow_loss)
    version, is_new = datasets.apply(tx, spec)
    return Stored(version, is_new, differences)


def require_no_loss(steps: Iterable[Difference], *, allow_loss: bool) -> None:
    """Raise InputError if a step loses work of annotators and nobody has allowed it. Nothing is done then."""
    losing = [one for one in steps if one.loses]
    if losing and not allow_loss:
        lines = [f"{one.dataset}: {one.where}: {one.what or one.action}: loses {one.loses}" for one in losing]
        next_step = "look at it with labelyard plan; if it is meant so: labelyard apply --allow-loss"
        raise InputError("\n".join([*lines, "nothing was applied"]), next_step=next_step)


def plan_file(tx: Transaction, spec: DatasetSpec) -> list[Difference]:
    """Return what applying a dataset file changes in the ledger; nothing if it says what its stored version says."""
    before = _stored_spec(tx, spec.name)
    name, old = spec.name, before.model_dump(mode="json") if before else {}
    labels = before.task.cvat_labels() if before else ()
    found = [
        *plan_labels(name, labels, spec.task.cvat_labels(), exports.drawn(tx, name)),
        *plan_people(name, before.annotators if before else (), spec.annotators),
    ]
    if before is None:
        found.insert(0, Difference(name, Topic.SETTINGS, Sign.ADD, "a new dataset", "", Action.STORE))
    else:
        found += plan_settings(name, _settings(old), _settings(spec.model_dump(mode="json")))
    return found


def _stored_spec(tx: Transaction, name: str) -> DatasetSpec | None:
    with suppress(NotFound):
        return datasets.spec(tx, name)
    return None


def _settings(document: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Return the fields of a stored file by their paths; those that the plan compares in another way are left out."""
    found: dict[str, str] = {}
    for name, value in document.items():
        where = f"{path}{name}"
        if where in ("task.labels", "annotators"):
            continue
        if isinstance(value, dict):
            found |= _settings(value, f"{where}.")
        elif value is not None and value != "":
            found[where] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_text(one)}' for name, one in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)
