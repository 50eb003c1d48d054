"""`croissant.json`: a release described for machines, in the vocabulary Croissant 1.0.

It has a record for each split, image and annotation. Each set of records has its own file: readers fail on two sets
of unlike length in one file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labelyard.releases.facts import ReleaseFacts
from labelyard.releases.lines import Digest, digest_of
from labelyard.releases.manifest import CROISSANT, IMAGES, Manifest, instances_path

_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet",
    "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip
"""The context of Croissant 1.0, which its readers compare word for word."""

_INTEGER, _TEXT, _FLOAT = "sc:Integer", "sc:Text", "sc:Float"


def write_croissant(folder: Path, manifest: Manifest, facts: ReleaseFacts) -> None:
    """Write the description of the release in a folder."""
    paths = [IMAGES, *(instances_path(split) for split in manifest.counts)]
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": f"{facts.dataset}-{facts.number}",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "description": facts.description or f"{facts.dataset}, release {facts.number}",
        "version": f"{facts.number}.0.0",
        "url": facts.url,
        "license": facts.licence or "not stated",
        "citeAs": f"{facts.dataset}, release {facts.number}, {facts.url}",
        "creator": {"@type": "sc:Organization", "name": facts.contact} if facts.contact else None,
        "datePublished": facts.data_date[:10] or None,
        "distribution": [_file(path, digest_of(folder / path)) for path in paths],
        "recordSet": [_splits(manifest), _images(), *map(_annotations, manifest.counts)],
    }
    found = {name: value for name, value in document.items() if value is not None}
    (folder / CROISSANT).write_text(json.dumps(found, indent=1) + "\n", encoding="ascii")


def _file(path: str, digest: Digest) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject", "@id": path, "name": path, "contentUrl": path, "sha256": digest.sha256,
        "contentSize": f"{digest.size} B",
        "encodingFormat": "application/jsonlines" if path == IMAGES else "application/json",
    }  # fmt: skip


def _splits(manifest: Manifest) -> dict[str, Any]:
    field = {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": _TEXT}
    data = [{"splits/name": split} for split in manifest.counts]
    return {"@type": "cr:RecordSet", "@id": "splits", "name": "splits", "dataType": "cr:Split",
            "key": {"@id": "splits/name"}, "field": [field], "data": data}  # fmt: skip


def _images() -> dict[str, Any]:
    source = {"fileObject": {"@id": IMAGES}}

    def field(name: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"@type": "cr:Field", "@id": f"images/{name}", "name": name, "dataType": kind,
                "source": {**source, "extract": {"column": name}}, **more}  # fmt: skip

    fields = [
        field("id", _INTEGER), field("file_name", _TEXT),
        field("split", _TEXT, references={"field": {"@id": "splits/name"}}),
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": "images", "name": "images", "key": {"@id": "images/id"}, "field": fields}


def _annotations(split: str) -> dict[str, Any]:
    name = f"annotations-{split}"
    source = {"fileObject": {"@id": instances_path(split)}}

    def field(of: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"@type": "cr:Field", "@id": f"{name}/{of}", "name": of, "dataType": kind,
                "source": {**source, "extract": {"jsonPath": f"$.annotations[*].{of}"}}, **more}  # fmt: skip

    fields = [
        field("id", _INTEGER), field("image_id", _INTEGER),  # no reference: mlcroissant 1.1 cannot follow it
        field("category_id", _INTEGER), field("bbox", _FLOAT, repeated=True),
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "key": {"@id": f"{name}/id"}, "field": fields}
