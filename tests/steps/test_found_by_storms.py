"""What benchmarks/faults.py found, each as the shortest way to it."""

from __future__ import annotations

from step_bench import Bench, ingest, picture

from labelyard.steps import landing
from labelyard.steps.closing import close_now
from labelyard.steps.landing import sweep


def test_a_listing_that_was_read_before_an_overwrite_loses_neither_content_nor_object(bench: Bench) -> None:
    bench.put("1.jpg")
    read_before = list(bench.place.store.list(bench.bucket, "in/"))
    bench.put("1.jpg", picture(7))
    sweep(bench.place)
    list(landing.land_listed(bench.place, [bench.spec], read_before, "a late sweep"))
    sweep(bench.place)
    close_now(bench.place, "street")
    ingest(bench)
    [task] = bench.place.cvat("default").tasks()
    [object_in_it] = [row for row in bench.objects("1.jpg") if row.refused is None]
    assert (task.size, object_in_it.etag) == (1, bench.place.store.head(bench.bucket, "in/1.jpg").etag)


def test_a_content_that_is_put_back_after_an_overwrite_is_labelled(bench: Bench) -> None:
    for content in (1, 2, 1):
        bench.put("1.jpg", picture(content))
        sweep(bench.place)
    close_now(bench.place, "street")
    ingest(bench)
    [object_in_it] = [row for row in bench.objects("1.jpg") if row.refused is None]
    assert object_in_it.etag == bench.place.store.head(bench.bucket, "in/1.jpg").etag
