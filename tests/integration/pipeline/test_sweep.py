"""The sweep over many sources, of which some cannot be listed."""

from __future__ import annotations

from labelyard.ledger import datasets
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.bench import Bench


def test_a_bucket_that_is_gone_stops_only_its_own_source_and_is_told_with_the_next_command(bench: Bench) -> None:
    bench.apply(sources=[{"bucket": "no-such-bucket", "prefix": "in/"}, {"bucket": bench.bucket, "prefix": "in/"}])
    other = bench.spec.model_copy(update={"name": "zoo", "sources": bench.spec.sources[1:]})
    with bench.context.ledger.transaction() as tx:
        datasets.apply(tx, other)
    bench.put("1.jpg")
    swept = sweep_sources(bench.context)
    assert {name: landed.new for name, landed in swept.registered.items()} == {"street": 1, "zoo": 1}
    [told] = swept.failed
    assert told.startswith("street: s3://no-such-bucket/in/: NoSuchBucket")
    assert "next: create the bucket" in told
