"""The table of people who are away."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from labelyard.ledger.declarative import Table


class Absence(Table):
    """Somebody who gets no jobs for now. The row is deleted when they are back, and means nothing after `until`."""

    __tablename__ = "absence"

    person: Mapped[str] = mapped_column(primary_key=True)
    """The user name in every CVAT."""
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    """None: until a person says that they are back."""
