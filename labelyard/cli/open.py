"""`labelyard open`."""

from __future__ import annotations

import webbrowser
from contextlib import closing

import click

from labelyard.cli.links import with_links
from labelyard.errors import NotFound, PrefectUnreachable
from labelyard.ledger import Ledger, batches, datasets
from labelyard.ledger.database import Transaction
from labelyard.orchestration.page_links import OPERATIONS, batch_key, dataset_key
from labelyard.orchestration.page_store import PageStore
from labelyard.settings import load_settings


@click.command("open")
@click.argument("subject", metavar="[DATASET|BATCH]", default="")
@click.option("--print", "only_print", is_flag=True, help="Print the address, and open nothing.")
def open_page(subject: str, only_print: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Open the operations page in the browser, or the page of a dataset or a batch.

    The address is printed, too. It stays the same for as long as the page exists.
    """
    settings = load_settings()
    key = OPERATIONS
    if subject:
        with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
            key = _key(tx, subject)
    with PageStore(settings) as store:
        pages = store.find([key])
        if key not in pages:
            where = settings.prefect_ui
            what = f"there is no page {key!r} yet; it appears within a minute of the first change"
            raise PrefectUnreachable(what, where=where, next_step="labelyard doctor, if it stays away")
        address = store.links(pages).url(key)
    click.echo(with_links(address))
    if not only_print:
        webbrowser.open(address)  # without a browser it does nothing, and the address is printed


def _key(tx: Transaction, subject: str) -> str:
    """Return the key of the page of a dataset or batch. Raises NotFound."""
    try:
        batches.get(tx, subject)
    except NotFound:
        datasets.spec(tx, subject)  # its error names the datasets that exist
        return dataset_key(subject)
    return batch_key(subject)
