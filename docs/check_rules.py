"""docs/checks.md: what `labelyard check` says, and its rules."""

from __future__ import annotations

from labelyard.formats.file_checks.table import RuleRow, rule_rows

_TEXT = """\
# Checks of COCO files

{generated}
`labelyard check` finds the faults of anybody's COCO files before a training does. It reads a file by itself: some files
crash pycocotools, or make it run without an end. Exports are checked by the same rules before they are written.

```
labelyard check instances_train.json
labelyard check dataset.zip --json
labelyard check annotations/ --images images/
labelyard check s3://street-datasets/street/ --images s3://street-raw/incoming/
labelyard check instances_train.json --fix
labelyard check instances_train.json --dataset datasets/street.yaml
```

The exit status is 0 if the files are fit for training, 1 if they are not, 2 if one of them cannot be read or is no
JSON, or if a corrected copy cannot be written. An error makes a file unfit, a warning does not.

## What it reads

- A file: JSON in any encoding that Python recognises; NaN and numbers of any length too. What is no JSON is
  unreadable, and the error says at which position.
- A zip: every member that ends in `.json`. Nothing is unpacked by name. A zip with a path that leaves its folder or
  with two members of one name is refused; so is a member that is encrypted, or that unpacks to more than 200 times its
  size (and more than 10 MiB), or to more than 16 GiB.
- A folder: every `.json` below it. Of a folder, a zip or a prefix with several files, those without `annotations` are
  no COCO files and are named as not checked.
- `s3://bucket/key` of a `.json` or `.zip`, or `s3://bucket/prefix`; the [settings](settings.md) have the account.

`--images` names the folder to which each `file_name` is added. Every image is read completely, as
`labelyard inspect` does.

## JSON

`--json` prints one object. The count of a rule is exact; at most five of its faults are examples. `fixable` says
whether `--fix` repairs all faults of the rule in this file.

```json
{{
 "fit": false,
 "faults": [
  {{
   "rule": "iscrowd",
   "severity": "error",
   "count": 1,
   "examples": ["annotation 1: its iscrowd is None, neither 0 nor 1"],
   "fixable": true
  }}
 ],
 "images": 4,
 "annotations": 6
}}
```

Of several files the numbers are totals, and the examples begin with the file's name. A file that cannot be read is a
fault of the rule `unreadable`.

## Corrected copies

`--fix` writes `NAME.fixed.json` beside the file, or beside the zip; for a file in a bucket into the current folder. It
overwrites nothing. What is clean is copied byte for byte, and only what can be meant in one way is repaired. The copy
is checked again. `fit`, `faults` and the exit status are those of the file that was given; `fixed` has for each copy
its `file`, `changes` (items changed, by rule), and its own `fit`, `faults`, `images` and `annotations`.

## The rules

Rules that need the dataset are for `--dataset` and for exports; the section
[`checks`](dataset-file.md#checks) of the dataset file has their severity. In an export an empty bbox is a warning: one
careless click must not keep the rest of a batch from the training. In a [review](review.md) an error that is about
what people draw sends a completed job back to its annotator, before a reviewer looks at it.
"""
_TESTS = {
    "the dataset": "tests/unit/formats/test_dataset_checks.py",
    "the images": "tests/integration/cli/test_check.py",
}
_RULES = "tests/unit/formats/test_checks.py"
_FILES = {"encoding": "tests/unit/formats/file_checks/test_fixing.py"}


def checks(generated: str) -> str:
    """Return docs/checks.md."""
    rows = list(rule_rows())
    columns = (
        "| rule | what must hold, and what a training suffers where it does not | `--fix` | in a review | proven by |"
    )
    head = f"{columns}\n|---|---|---|---|---|"
    parts = [_TEXT.format(generated=generated)]
    for heading, needs in (
        ("The file alone", ""),
        ("With `--images`", "the images"),
        ("With the dataset", "the dataset"),
    ):
        parts += [f"\n### {heading}\n", head, *(_row(row) for row in rows if row.needs == needs)]
    return "\n".join([*parts, ""])


def _row(row: RuleRow) -> str:
    file = _FILES.get(row.name) or _TESTS.get(row.needs, _RULES)
    link = f"[{file.rpartition('/')[2]}](../{file})"
    back = "sends the job back" if row.sends_back else ""
    about = f"*{row.severity}.* {row.sentence} {row.consequence}".replace("|", "\\|")
    return f"| `{row.name}` | {about} | {row.repair or 'no'} | {back} | {link} |"
