from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.category_ids import assign_ids, recover_ids

LABELS = st.sampled_from(["car", "person", "truck", "bus", "kerb"])
IDS = st.dictionaries(LABELS, st.integers(1, 9)).filter(lambda found: len(set(found.values())) == len(found))


def test_labels_get_ids_in_their_order_and_a_removed_label_keeps_its_id() -> None:
    assert assign_ids(["car", "person"], {}) == {"car": 1, "person": 2}
    assert assign_ids(["truck", "person"], {"car": 1, "person": 2}) == {"car": 1, "person": 2, "truck": 3}
    assert assign_ids(["bus"], {"car": 1, "truck": 4}) == {"car": 1, "truck": 4, "bus": 5}


def test_the_ids_in_files_win_over_those_of_a_rebuilt_ledger() -> None:
    files = [{"car": 1, "person": 2}, {"person": 2, "truck": 3}]
    existing = {"truck": 1, "person": 2, "bus": 3}
    assert recover_ids(files, list(existing), existing) == {"car": 1, "person": 2, "truck": 3, "bus": 4}
    assert recover_ids(files[:1], list(existing), existing) == {"car": 1, "person": 2, "truck": 3, "bus": 4}
    assert recover_ids([], list(existing), existing) == existing


def test_the_majority_of_files_wins_and_a_foreign_name_gives_way_to_a_label() -> None:
    assert recover_ids([{"car": 1}, {"car": 2}, {"car": 2}], ["car"], {"car": 1}) == {"car": 2}
    files = [{"car": 1, "kerb": 2}, {"car": 1, "kerb": 2}, {"car": 1, "truck": 2}]
    known = {"car": 1, "truck": 2}
    assert recover_ids(files, ["car", "truck"], known) == known
    assert recover_ids(files, ["car"], known) == known  # the label was removed, and its id is not reused


@given(st.lists(IDS, max_size=4), IDS)
def test_every_label_has_an_id_of_its_own_and_recovering_again_changes_nothing(
    files: list[dict[str, int]], existing: dict[str, int]
) -> None:
    ids = recover_ids(files, list(existing), existing)
    assert existing.keys() <= ids.keys()
    assert len(set(ids.values())) == len(ids)
    assert recover_ids(files, list(existing), ids) == ids
    if len(files) == 1:
        assert files[0].items() <= ids.items()
