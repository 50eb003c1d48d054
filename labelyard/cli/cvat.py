"""`labelyard cvat`: a CVAT's API for the shell. Here are the group, and what is about accounts."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from labelyard.cli import cvat_tasks, cvat_work
from labelyard.cli.cvat_connection import Connection
from labelyard.cli.cvat_output import verb
from labelyard.cvat import Cvat, connect
from labelyard.domain.tasks import About, User


@click.group()
@click.option("--cvat", "name", default="default", show_default=True, help="A CVAT of the settings, by its name.")
@click.option("--url", help="Another CVAT: its address, such as http://127.0.0.1:8080.")
@click.option("--username", help="The account, where it is not that of the settings.")
@click.option("--password-file", type=click.File(), help="A file whose first line is the password; - is stdin.")
@click.option("--token-file", type=click.File(), help="A file whose first line is a token; - is stdin.")
@click.option("--dialect", type=click.Choice(["auto", "v1", "v2"]), help="The family of the server's API.")
@click.pass_context
def cvat(context: click.Context, /, **where: Any) -> None:
    """Use a CVAT from the shell: tasks, jobs, annotations, exports.

    Without --url the settings say where and as whom (LABELYARD_CVAT__DEFAULT__URL, …). A password is never an
    argument, which other users of the machine could read: it comes from the settings, a file, stdin, or a prompt.
    """
    context.obj = Connection(**where)


@cvat.command()
@verb
def about(cvat: Cvat) -> About:
    """Say what server this is."""
    return cvat.about()


@cvat.command()
@verb
def login(cvat: Cvat) -> str:
    """Log in and print the token, for --token-file of later calls.

    \b
    labelyard cvat --url http://127.0.0.1:8080 --username root login > token
    labelyard cvat --url http://127.0.0.1:8080 --token-file token whoami
    """
    return cvat.login().get_secret_value()


@cvat.command()
@verb
def logout(cvat: Cvat) -> None:
    """End the account's one token, which all of its clients share."""
    cvat.logout()


@cvat.command()
@click.argument("username")
@click.option("--email", default="", help="The e-mail address, if there is one.")
@click.option("--first-name", default="", help="The first name, if wanted.")
@click.option("--last-name", default="", help="The last name, if wanted.")
@click.pass_obj
def register(place: Connection, username: str, email: str, first_name: str, last_name: str) -> None:
    """Make an account called USERNAME, with the password of --password-file or the one you are asked for."""
    password = Connection(url=place.at.url, username=username, password_file=place.password_file).password()
    assert password is not None
    with place.in_use(), closing(connect(place.at.url, dialect=place.at.dialect)) as nobody:
        nobody.register(username, password.get_secret_value(), email=email, first=first_name, last=last_name)
    click.echo(f"{username} may log in now")


@cvat.command()
@verb
def whoami(cvat: Cvat) -> User:
    """Show the account that these commands run as."""
    return cvat.whoami()


@cvat.command()
@verb
def users(cvat: Cvat) -> list[User]:
    """List everybody whom this account may see."""
    return cvat.users()


for command in (*cvat_tasks.COMMANDS, *cvat_work.COMMANDS):
    cvat.add_command(command)
