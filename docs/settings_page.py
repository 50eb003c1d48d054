"""docs/settings.md: each setting with its docstring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from settings_texts import BLOCKS, PREFECT, SETTINGS
from tables import prose, table

from labelyard.described_model import DescribedModel
from labelyard.server_settings import CVAT_FIELDS, STORE_FIELDS, CvatSettings, ModelSettings
from labelyard.settings import Settings, UpSettings
from labelyard.supervisor.stack import server_settings

_PARTS = {
    "": "All processes",
    "cvat": "CVAT servers",
    "store": "Object storage",
    "model": "Models that predict",
    "metrics": "Probes and metrics",
    "messages": "Messages to people",
}


def settings(generated: str) -> str:
    """Return docs/settings.md."""
    parts = [SETTINGS.format(generated=generated)]
    plain = {name: field for name, field in Settings.model_fields.items() if not _section_of(field)}
    nested = {name: section for name, field in Settings.model_fields.items() if (section := _section_of(field))}
    rows = [_setting_row(_variable(name, field), Settings, name) for name, field in plain.items()]
    parts.append(table(_PARTS[""], "", "variable | meaning", rows))
    for name, section in nested.items():
        prefix = f"LABELYARD_{name.upper()}__" + ("<NAME>__" if section in (CvatSettings, ModelSettings) else "")
        rows = list(_setting_rows(prefix, section))
        heading = _PARTS.get(name, f"`labelyard {name}`")
        parts.append(table(heading, section.__doc__ or "", "variable | meaning", rows))
    lines = [f"{name}={value}" for name, value in server_settings(UpSettings()).items()]
    blocks = BLOCKS.format(cvat_fields=_words(CVAT_FIELDS), store_fields=_words(STORE_FIELDS))
    return "".join([*parts, blocks, PREFECT.format(server_settings="\n".join(lines))])


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _setting_rows(prefix: str, section: type[DescribedModel]) -> Iterator[str]:
    """Yield a row for each setting of a section, those of sections in it included."""
    for name, field in section.model_fields.items():
        variable, inner = f"{prefix}{name.upper()}", _section_of(field)
        named = "<NAME>__" if get_origin(field.annotation) is dict else ""
        row = [_setting_row(variable, section, name)]
        yield from row if inner is None else _setting_rows(f"{variable}__{named}", inner)


def _section_of(field: FieldInfo) -> type[DescribedModel] | None:
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, DescribedModel):
            return kind
    return None


def _variable(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return str(alias) if alias else f"LABELYARD_{name.upper()}"


def _setting_row(variable: str, section: type[DescribedModel], name: str) -> str:
    field = section.model_fields[name]
    default = (
        "**required**" if field.is_required() else f"`{field.default}`" if field.default not in (None, "") else "none"
    )
    choices = [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]
    secret = SecretStr in (field.annotation, *get_args(field.annotation))
    more = f" *one of {', '.join(choices)}*" if choices else " *secret*" if secret else ""
    return f"| `{variable}` | {prose(section.describe(name), wrap=False)}{more} | {default} |"
