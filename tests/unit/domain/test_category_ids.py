from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.category_ids import numbered, recovered

LABELS = st.sampled_from(["car", "person", "truck", "bus", "kerb"])
NUMBERS = st.dictionaries(LABELS, st.integers(1, 9)).filter(lambda found: len(set(found.values())) == len(found))


def test_labels_are_numbered_in_their_order_and_one_that_went_keeps_its_number() -> None:
    assert numbered(["car", "person"], {}) == {"car": 1, "person": 2}
    assert numbered(["truck", "person"], {"car": 1, "person": 2}) == {"car": 1, "person": 2, "truck": 3}
    assert numbered(["bus"], {"car": 1, "truck": 4}) == {"car": 1, "truck": 4, "bus": 5}


def test_files_know_better_than_a_ledger_that_was_made_anew() -> None:
    files = [{"car": 1, "person": 2}, {"person": 2, "truck": 3}]
    given = {"truck": 1, "person": 2, "bus": 3}
    assert recovered(files, list(given), given) == {"car": 1, "person": 2, "truck": 3, "bus": 4}
    assert recovered(files[:1], list(given), given) == {"car": 1, "person": 2, "truck": 3, "bus": 4}
    assert recovered([], list(given), given) == given


def test_most_files_win_and_a_stranger_in_some_of_them_gives_way_to_a_label() -> None:
    assert recovered([{"car": 1}, {"car": 2}, {"car": 2}], ["car"], {"car": 1}) == {"car": 2}
    files = [{"car": 1, "kerb": 2}, {"car": 1, "kerb": 2}, {"car": 1, "truck": 2}]
    known = {"car": 1, "truck": 2}
    assert recovered(files, ["car", "truck"], known) == known
    assert recovered(files, ["car"], known) == known  # the label went, and its number is not given again


@given(st.lists(NUMBERS, max_size=4), NUMBERS)
def test_every_label_has_a_number_of_its_own_and_asking_again_changes_nothing(
    files: list[dict[str, int]], given: dict[str, int]
) -> None:
    numbers = recovered(files, list(given), given)
    assert given.keys() <= numbers.keys()
    assert len(set(numbers.values())) == len(numbers)
    assert recovered(files, list(given), numbers) == numbers
    if len(files) == 1:
        assert files[0].items() <= numbers.items()
