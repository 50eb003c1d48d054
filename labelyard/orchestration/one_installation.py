"""One Prefect server serves one installation, which is one ledger.

Deployments, automations, the events of batches and the pages have the same names in every installation. On a server of
two, a batch of one would start a run that looks for it in the ledger of the other, and both would draw the same pages.
So each page says of which ledger it is, and `labelyard deploy` refuses a server whose pages are of another one.
"""

from __future__ import annotations

from contextlib import closing

from labelyard.errors import LedgerError, SettingsError
from labelyard.ledger import Ledger, workload
from labelyard.operations.moments import moment_and_zone
from labelyard.orchestration.page_links import OPERATIONS
from labelyard.orchestration.page_store import PageStore
from labelyard.settings import Settings


def refuse_second_installation(settings: Settings, *, replace: bool = False) -> None:
    """Raise SettingsError if the pages of the Prefect server are those of another ledger, PrefectUnreachable.

    With `replace` the operations page of the other ledger is deleted instead. A machine without the ledger, on which
    `labelyard deploy` works too, cannot tell.
    """
    try:
        with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
            own = workload.marker(tx).ledger
    except LedgerError:
        return
    with PageStore(settings) as store:
        page = store.find([OPERATIONS]).get(OPERATIONS)
        if page is None or page.values.get("ledger", own) == own:
            return
        if replace:
            store.delete(page)
            return
    drawn = moment_and_zone(page.updated, settings.zone)
    raise SettingsError(
        f"another installation uses this Prefect server: its pages are of another ledger, last drawn {drawn}",
        where=settings.prefect_api_or_ours,
        next_step="set PREFECT_API_URL to a server of its own; if that ledger is gone: labelyard deploy --replace",
    )
