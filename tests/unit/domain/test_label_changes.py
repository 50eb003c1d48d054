"""Labels of a dataset file against those of a project."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from labelyard.domain.label_changes import compare_labels, compare_with_project
from labelyard.domain.labels import AttributeSpec, InputType, Label
from tests.support.examples import examples

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


@settings(max_examples=examples(30))
@given(_labels, _labels)
def test_there_are_no_differences_exactly_when_each_label_is_there_as_wanted(
    wanted: list[Label], present: list[Label]
) -> None:
    assert not compare_with_project(wanted, wanted[::-1])
    changes = compare_with_project(wanted, present)
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
    car, bus = compare_with_project(wanted, (CAR,))
    assert car.changes == (
        "color #00FF00, not #ff0000",
        "type polygon, not rectangle",
        "attribute side: values left, right, both, not left, right, default 'both', not 'left', mutable true",
        "new attribute age",
    )
    assert (car.removals, str(bus), car.can_be_applied, bus.can_be_applied) == ((), "bus: new label", True, True)


def test_what_would_delete_annotations_is_left_to_a_person() -> None:
    wanted = (replace(CAR, attributes=()), replace(BODY, sublabels=BODY.sublabels[:1]))
    changes = compare_with_project(wanted, (CAR, BODY, Label("x")))
    assert not any(one.can_be_applied for one in changes)
    assert [str(one) for one in changes] == [
        "x: the dataset file has no such label",
        "car: the file has no attribute side",
        "body: points head, not head, hand",
    ]


def test_a_color_that_cvat_chose_and_the_drawing_of_a_skeleton_differ_between_files_only() -> None:
    file = (replace(CAR, color=None), replace(BODY, edges=((0, 1),)))
    assert compare_with_project(file, (CAR, BODY)) == []
    assert [str(one) for one in compare_labels(file, (CAR, BODY))] == [
        "car: color none, not #ff0000",
        "body: other lines between its points",
    ]
