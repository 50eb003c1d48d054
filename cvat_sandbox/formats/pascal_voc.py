"""PASCAL VOC 1.1, without attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO
from xml.sax.saxutils import escape

from cvat_sandbox.formats.archive import boxes, stem, voc_color, write_zip
from cvat_sandbox.formats.archive import images as image_files

if TYPE_CHECKING:
    from cvat_sandbox.formats.snapshot import Frame, Snapshot


def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write an XML file for each image with boxes, and the lists of images."""
    labels = ["background", *snapshot.label_names.values()]
    tagged = _tagged(snapshot)
    members = {"labelmap.txt": "# label:color_rgb:parts:actions\n" + "".join(
        f"{name}:{','.join(map(str, voc_color(number)))}::\n" for number, name in enumerate(labels))}  # fmt: skip
    listed, drawn = [], []
    for number, frame, shapes in snapshot.by_frame():
        if boxes(shapes):
            drawn.append(stem(frame))
            members[f"Annotations/{stem(frame)}.xml"] = _annotation(snapshot, frame, boxes(shapes))
        if boxes(shapes) or number in tagged:
            listed.append(stem(frame))
    members["ImageSets/Main/default.txt"] = "".join(f"{name}\n" for name in listed)
    for name in labels if tagged else []:
        members[f"ImageSets/Main/{name}_default.txt"] = "".join(
            f"{stem(snapshot.frames[number])} {1 if name in names else -1:2d}\n"
            for number, names in sorted(tagged.items())
        )
    for kind in ("Action", "Layout"):
        members[f"ImageSets/{kind}/default.txt"] = "".join(f"{name}\n" for name in drawn)
    write_zip(out, members, image_files(snapshot, "JPEGImages/") if images else ())


def _tagged(snapshot: Snapshot) -> dict[int, set[str]]:
    """Return the names of the tags of each frame that has any."""
    tagged: dict[int, set[str]] = {}
    for tag in snapshot.annotations["tags"]:
        tagged.setdefault(tag["frame"], set()).add(snapshot.label_names[tag["label_id"]])
    return tagged


def _annotation(snapshot: Snapshot, frame: Frame, shapes: list[dict[str, Any]]) -> str:
    name = stem(frame)
    lines = [
        "<annotation>", f"  <folder>{escape(name.rsplit('_', 1)[0] if '_' in name else '')}</folder>",
        f"  <filename>{escape(frame.name)}</filename>", "  <source>",
        *(f"    <{field}>Unknown</{field}>" for field in ("database", "annotation", "image")), "  </source>",
        "  <size>", f"    <width>{frame.width}</width>", f"    <height>{frame.height}</height>", "    <depth>3</depth>",
        "  </size>", "  <segmented>0</segmented>",
    ]  # fmt: skip
    for shape in shapes:
        corners = zip(("xmin", "ymin", "xmax", "ymax"), shape["points"], strict=True)
        lines += ["  <object>", f"    <name>{escape(snapshot.label_names[shape['label_id']])}</name>",
                  f"    <occluded>{int(shape['occluded'])}</occluded>", "    <bndbox>",
                  *(f"      <{field}>{value}</{field}>" for field, value in corners), "    </bndbox>",
                  "  </object>"]  # fmt: skip
    return "\n".join([*lines, "</annotation>", ""])
