"""The frames of tasks with honeypots, and the choice of validation frames."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvat_sandbox.state.honeypot_frames import Plan, plan
from cvat_sandbox.state.validation import Divided, Selection, UnsuitableFrames, chosen_frames


@st.composite
def plans(draw: st.DrawFn) -> tuple[int, int, Plan]:
    size = draw(st.integers(2, 40))
    pool, segment = draw(st.integers(1, size - 1)), draw(st.integers(0, 12))
    selection = Selection(
        "random_uniform", frame_count=pool, frames_per_job_count=draw(st.integers(1, pool)),
        random_seed=draw(st.integers(0, 2**32)),
    )  # fmt: skip
    return size, segment, plan([f"{n:03d}.jpg" for n in range(size)], selection, segment)


@settings(deadline=None)
@given(plans())
def test_each_image_is_once_in_a_job_or_once_in_the_pool(found: tuple[int, int, Plan]) -> None:
    size, _, made = found
    own = [number for frame, number in enumerate(made.order) if frame not in made.honeypots]
    assert sorted(own) == list(range(size))


@settings(deadline=None)
@given(plans())
def test_a_honeypot_shows_its_validation_frame(found: tuple[int, int, Plan]) -> None:
    _, _, made = found
    assert set(made.honeypots.values()) <= set(made.pool)
    assert all(made.order[frame] == made.order[real] for frame, real in made.honeypots.items())


@settings(deadline=None)
@given(plans())
def test_each_job_has_the_same_number_of_honeypots_and_none_twice(found: tuple[int, int, Plan]) -> None:
    size, segment, made = found
    for job in made.segments:
        shown = [made.honeypots[frame] for frame in job if frame in made.honeypots]
        assert len(shown) == len(set(shown)) == made.per_job
        assert len(job) - len(shown) <= (segment or size)


@settings(deadline=None)
@given(plans())
def test_all_validation_frames_are_used_equally_often(found: tuple[int, int, Plan]) -> None:
    _, _, made = found
    used = Counter(made.honeypots.values())
    counts = [used[frame] for frame in made.pool]
    assert max(counts) - min(counts) <= 1


@settings(deadline=None)
@given(plans())
def test_the_jobs_follow_one_another_and_the_pool_follows_them(found: tuple[int, int, Plan]) -> None:
    _, _, made = found
    assert [frame for part in [*made.segments, made.pool] for frame in part] == list(range(len(made.order)))


def test_the_seed_of_the_real_server_gives_the_frames_of_the_real_server() -> None:
    names = [f"p_{number}_320x240.jpg" for number in range(6)]
    made = plan(names, Selection("manual", names[:2], frames_per_job_count=1, random_seed=7), 2)
    assert made.order == [2, 3, 0, 5, 4, 1, 0, 1]
    assert made.honeypots == {2: 6, 5: 7}
    uniform = Selection("random_uniform", frame_count=2, random_seed=42)
    assert chosen_frames(uniform, Divided(6, 2, 0, [])) == [2, 5]


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 3), st.integers(1, 8), st.integers(0, 99))
def test_random_per_job_gives_each_job_its_share(size: int, length: int, overlap: int, count: int, seed: int) -> None:
    length = min(length, size)
    overlap = min(overlap, length // 2)
    segments = [range(start, min(start + length, size)) for start in range(0, max(1, size - overlap), length - overlap)]
    selection = Selection("random_per_job", frames_per_job_count=min(count, size), random_seed=seed)
    frames = chosen_frames(selection, Divided(size, length, overlap, segments))
    assert len(set(frames)) == len(frames)
    if not overlap:
        assert all(len(set(frames) & set(part)) == min(len(part), count, size) for part in segments)


@pytest.mark.parametrize(
    ("selection", "text"),
    [
        (Selection("manual", [0, 0]), "Frames must not repeat"),
        (Selection("manual", [0, 9, 7]), "The following frames do not exist in the task: 7, 9"),
        (Selection("random_uniform"), "The number of validation frames is not specified"),
        (Selection("random_uniform", frame_count=7), "The number of frames requested (7) must not be greater than"),
    ],
)
def test_frames_that_cannot_be_chosen_are_refused_with_the_text_of_cvat(selection: Selection, text: str) -> None:
    with pytest.raises(UnsuitableFrames, match=text.replace("(", r"\(").replace(")", r"\)")):
        chosen_frames(selection, Divided(6, 2, 0, []))


def test_a_pool_leaves_frames_for_the_jobs() -> None:
    names = ["a.jpg", "b.jpg"]
    with pytest.raises(UnsuitableFrames, match="too few non-honeypot frames"):
        plan(names, Selection("manual", names, frames_per_job_count=1), 2)
    with pytest.raises(UnsuitableFrames, match=r"Unknown validation frames requested: c\.jpg"):
        plan(names, Selection("manual", ["c.jpg"], frames_per_job_count=1), 2)
