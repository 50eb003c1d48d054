"""The base class of the ledger's tables: its column types, the names of its constraints, and partial indexes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Enum, Index, Integer, LargeBinary, MetaData, text
from sqlalchemy.orm import DeclarativeBase

from labelyard.domain.causes import Kind
from labelyard.domain.messages import WorkKind
from labelyard.domain.preannotation import PreannotationState
from labelyard.domain.review import Phase, ReviewResult
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import JobKind, JobStatus, JobStep
from labelyard.ledger.column_types import SafeText, UtcTime


def _text_enum(enum: type[StrEnum], length: int = 16) -> Enum:
    # Plain text in the database: a new state needs no migration, and a person can read it.
    return Enum(enum, native_enum=False, length=length, values_callable=lambda kind: [member.value for member in kind])


class Table(DeclarativeBase):
    """The base class of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime(),
        str: SafeText(),
        dict[str, Any]: JSON(),
        list[int]: JSON(),
        BatchState: _text_enum(BatchState),
        TaskState: _text_enum(TaskState),
        JobStatus: _text_enum(JobStatus),
        JobStep: _text_enum(JobStep),
        Phase: _text_enum(Phase),
        ReviewResult: _text_enum(ReviewResult),
        JobKind: _text_enum(JobKind, 24),
        Kind: _text_enum(Kind, 24),
        PreannotationState: _text_enum(PreannotationState),
        WorkKind: _text_enum(WorkKind),
        # SQLite assigns ids only to INTEGER primary keys.
        int: BigInteger().with_variant(Integer, "sqlite"),
        bytes: LargeBinary(),
    }


def partial_index(name: str, *columns: str, where: str, unique: bool = True) -> Index:
    """Return an index of the rows that fulfil a condition in SQL, on SQLite and PostgreSQL."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))
