"""Writes the documents that are generated from the code (`make docs`). A test fails when one is out of date."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from check_rules import checks
from coco_fields import with_fields
from json_schemas import commands_schema, fields_in_words, status_schema
from metrics_page import metrics
from settings_page import settings
from tables import prose, table

from labelyard.cli import labelyard
from labelyard.cli.json_output import JsonOption
from labelyard.config.json_schema import json_schema

ROOT = Path(__file__).parents[1]
WIDTH = 100
_GENERATED = "<!-- Generated from the code by `make docs`: edit the code. -->\n"


def documents() -> dict[str, str]:
    """Return the text of every generated document by its path in the repository."""
    return {
        "docs/dataset-file.md": dataset_file(),
        "docs/settings.md": settings(_GENERATED),
        "docs/commands.md": commands(),
        "docs/checks.md": checks(_GENERATED),
        "docs/metrics.md": metrics(_GENERATED),
        "docs/formats.md": with_fields((ROOT / "docs" / "formats.md").read_text(encoding="utf-8")),
        "docs/commands.schema.json": json.dumps(commands_schema(_json_documents()), indent=1) + "\n",
        "docs/status.schema.json": json.dumps(status_schema(), indent=1) + "\n",
        "datasets/dataset.schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }


_DATASET = """\
# The dataset file

{generated}
One YAML file per dataset says where images come from, when they become a CVAT task, how they are labelled and where
exports are written. `labelyard init` writes a first one, `labelyard validate FILE` checks it, `labelyard apply FILE`
stores it in the ledger as an immutable version. Flows read only the ledger: no other machine needs the file. A new
version applies to batches that close after `apply`; earlier batches keep theirs.

A small file is enough; the tables below give the defaults:

```yaml
name: street
sources:
  - bucket: street-raw
    prefix: incoming/
task:
  labels: [car, person, bicycle]
annotators: [ada, ben]
export:
  prefix: datasets/street/
```

A larger one, with all five kinds of attributes:

```yaml
name: crossing
description: The crossing, by day and by night.
cvat: {{name: night-shift, organization: acme}}
sources:
  - bucket: street-raw
    prefix: crossing/
    exclude: ["*/thumbnails/*"]
batch:
  max_objects: 200
  max_bytes: 1GiB
  quiet: 10m
  max_age: 6h
  marker: _SUCCESS
task:
  labels:
    - name: car
      color: "#ff8800"
      attributes:
        - {{name: side, values: [left, right, unknown], default: unknown}}
        - {{name: size, input_type: radio, values: [small, large]}}
        - {{name: parked, input_type: checkbox, mutable: true}}
        - {{name: plate, input_type: text, default: "?"}}
        - {{name: doors, input_type: number, values: [2, 5, 1], default: 4}}
    - person
  segment_size: 50
  overlap: 5
  image_quality: 80
annotators: [ada, ben, cleo]
export:
  bucket: street-datasets
  prefix: crossing/
schedule:
  ingest: "0 2 * * 1-5"
  release: "0 6 * * 1"
  timezone: Europe/Berlin
```

For completion and checks in an editor: `labelyard schema > datasets/dataset.schema.json`, and
`# yaml-language-server: $schema=dataset.schema.json` as the file's first line.

Errors name file, line and field, and what to write instead. Values that YAML readers interpret differently are errors
too: `no`, `on`, `007`, `1:30` or a date needs quotes if it is meant as text.
"""

_SECTIONS = {
    "": "The file itself",
    "CvatSection": "`cvat`",
    "Source": "`sources`",
    "Batching": "`batch`",
    "TaskSection": "`task`",
    "LabelSection": "`task.labels`",
    "AttributeSection": "`task.labels.attributes`",
    "PreannotateSection": "`preannotate`",
    "AssignmentSection": "`assignment`",
    "PersonSection": "`assignment.people`",
    "SkillSection": "`assignment.skills`",
    "ReviewSection": "`review`",
    "QualitySection": "`quality`",
    "GroundTruthSection": "`quality.ground_truth`",
    "ExportSection": "`export`",
    "ReleaseSection": "`release`",
    "SplitsSection": "`release.splits`",
    "ChecksSection": "`checks`",
    "DeadlinesSection": "`deadlines`",
    "ScheduleSection": "`schedule`",
    "LeastSection": "`checks.annotations_per_image`, `checks.annotations_per_class`",
}


def dataset_file() -> str:
    """Return docs/dataset-file.md."""
    schema = json_schema()
    parts = [_DATASET.format(generated=_GENERATED)]
    for title, heading in _SECTIONS.items():
        section = schema["$defs"][title] if title else schema
        rows = [_field_row(name, field, section, schema) for name, field in section["properties"].items()]
        parts.append(table(heading, section["description"], "field | meaning", rows))
    return "".join(parts)


def _field_row(name: str, field: dict[str, Any], section: dict[str, Any], schema: dict[str, Any]) -> str:
    default = "**required**" if name in section.get("required", ()) else _default(field.get("default"))
    about = f"{prose(field['description'], wrap=False)} *{_kind(field, schema)}*"
    return f"| `{name}` | {about} | {default} |"


def _default(value: object) -> str:
    if isinstance(value, dict):
        return "see below"
    return f"`{json.dumps(value)}`" if value not in (None, "", []) else "none"


def _kind(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """The kind of value in words."""
    if "anyOf" in field:
        kinds = [_kind(part, schema) for part in field["anyOf"]]
        return " or ".join(dict.fromkeys(kinds)) + _such_as(field)
    if "$ref" in field:
        target = schema["$defs"][field["$ref"].rpartition("/")[2]]
        words = ", ".join(target.get("enum", ()))
        return f"one of {words}" if words else f"fields of {_SECTIONS[target['title']]}"
    if {"items", "additionalProperties", "patternProperties"} & field.keys():
        values = field.get("patternProperties", {}).values()
        one = _kind(field.get("items") or next(iter(values), None) or field["additionalProperties"], schema)
        return f"list: {one}" if "items" in field else f"mapping: text to {one}"
    if "type" not in field:
        return ", ".join(map(str, field["enum"]))
    if field.get("type") == "integer" and "maximum" in field:
        return f"whole number from {field['minimum']} to {field['maximum']}"
    named = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "null": "null",
    }
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return " or ".join(named[kind] for kind in kinds)


def _such_as(field: dict[str, Any]) -> str:
    return f", such as {', '.join(field['examples'])}" if "examples" in field else ""


_COMMANDS = """\
# Commands

{generated}
`labelyard COMMAND --help` shows the same. A command that fails exits with a status other than 0 and says what is wrong,
where, and the next command. All [settings](settings.md) come from the environment and `.env`.

After `make demo` or `make test` the command is `.venv/bin/labelyard`.

The exit status:

- 0: done, or everything is fine.
- 1: it failed, and says why on standard error; or what was checked has faults (`doctor`, `validate`, `check`, `verify`,
  `inspect`), or differs (`diff`).
- 2: the command line is wrong; or a file cannot be read (`check`, `verify`, `diff`, `inspect`); or `plan --exit-code`
  found differences.
- 128 and the number of a signal: it was stopped, 130 by Ctrl-C, 143 by SIGTERM. `up` ends with 0 once it runs.

`--json` prints JSON and nothing else on standard output. Times in it are UTC, in the form of ISO 8601.
[commands.schema.json](commands.schema.json) has a JSON schema for each command, and
[status.schema.json](status.schema.json) that of `status`. A command that fails prints no JSON, unless the text below
says so. Tables are plain text where they do not go to a terminal.

Completion in bash and zsh: `eval "$(labelyard completion bash)"` in `~/.bashrc`, or with `zsh` in `~/.zshrc`; in fish:
`labelyard completion fish > ~/.config/fish/completions/labelyard.fish`.
"""


def commands() -> str:
    """Return docs/commands.md."""
    found = list(_commands(labelyard, "labelyard"))
    parts = [_COMMANDS.format(generated=_GENERATED), "\n```\n" + _help(labelyard, "labelyard") + "\n```\n"]
    for name, command in found:
        parts.append(f"\n## {name.removeprefix('labelyard ')}\n\n```\n{_help(command, name)}\n```\n")
        if (document := _json_document(command)) is not None:
            parts.append(f"\n{fields_in_words(document)}")
    return "".join(parts)


def _json_documents() -> dict[str, Any]:
    """Return the types of what commands print with --json, by the words of the command."""
    found = {name.removeprefix("labelyard "): _json_document(one) for name, one in _commands(labelyard, "labelyard")}
    return {name: document for name, document in found.items() if document is not None}


def _json_document(command: click.Command) -> Any:
    return next((option.document for option in command.params if isinstance(option, JsonOption)), None)


def _commands(group: click.Group, words: str) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if command is not None:
            yield f"{words} {name}", command
            if isinstance(command, click.Group):
                yield from _commands(command, f"{words} {name}")


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    context.help_option_names = ["-h", "--help"]
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a document is out of date.")
def main(*, check: bool) -> None:
    """Write the documents that are generated from the code."""
    current = documents()
    outdated = [name for name, text in current.items() if _text(ROOT / name) != text]
    if check and outdated:
        raise click.ClickException(f"out of date: {', '.join(outdated)}; next: make docs")
    for name in outdated:
        (ROOT / name).write_text(current[name], encoding="utf-8")


if __name__ == "__main__":
    main()
