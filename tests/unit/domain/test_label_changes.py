"""Labels of a dataset file against those of a project."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from labelyard.domain.label_changes import compare_labels
from labelyard.domain.labels import AttributeSpec, InputType, Label

SIDE = AttributeSpec("side", InputType.SELECT, "left", ("left", "right"))
CAR = Label("car", (SIDE,), "#ff0000", type="rectangle")
BODY = Label("body", type="skeleton", sublabels=(Label("head", type="points"), Label("hand", type="points")))

_labels = st.lists(
    st.builds(
        Label,
        st.sampled_from("abc"),
        st.lists(st.builds(replace, st.just(SIDE), name=st.sampled_from("xy")), max_size=2, unique_by=lambda a: a.name)
        .map(tuple),
        st.sampled_from((None, "#ff0000")),
        type=st.sampled_from(("any", "polygon")),
    ),
    unique_by=lambda label: label.name, max_size=3,
)  # fmt: skip


@settings(max_examples=30)
@given(_labels, _labels)
def test_there_are_no_differences_exactly_when_each_label_is_there_as_wanted(
    wanted: list[Label], present: list[Label]
) -> None:
    assert not compare_labels(wanted, wanted[::-1])
    changes = compare_labels(wanted, present)
    by_name = {label.name: label for label in present}
    same = set(by_name) == {label.name for label in wanted} and all(
        set(label.attributes) == set(by_name[label.name].attributes)
        and label.type == by_name[label.name].type
        and label.color in (None, by_name[label.name].color)
        for label in wanted
    )
    assert bool(changes) == (not same)


def test_what_is_new_or_different_can_be_applied_and_is_named() -> None:
    other = replace(SIDE, values=("left", "right", "both"), default="both", mutable=True)
    wanted = (
        replace(CAR, color="#00FF00", type="polygon", attributes=(other, replace(SIDE, name="age"))),
        Label("bus"),
    )
    changes = compare_labels(wanted, (CAR,))
    assert changes.to_apply == (
        "car: color #00FF00, not #ff0000",
        "car: type polygon, not rectangle",
        "car: attribute side: values left, right, both, not left, right, default 'both', not 'left', mutable true",
        "car: new attribute age",
        "bus: new label",
    )
    assert (changes.removals, [label.name for label in changes.labels]) == ((), ["car", "bus"])


def test_what_would_delete_annotations_is_left_to_a_person() -> None:
    changes = compare_labels(
        (replace(CAR, attributes=()), replace(BODY, sublabels=BODY.sublabels[:1])), (CAR, BODY, Label("x"))
    )
    assert changes.to_apply == ()
    assert changes.removals == (
        "x: the dataset file has no such label",
        "car: the file has no attribute side",
        "body: points head, not head, hand",
    )
