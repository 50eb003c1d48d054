"""`labelyard cvat`: CVAT's API for the shell. This module holds the group and the commands for accounts."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from labelyard.cli import cvat_jobs, cvat_tasks
from labelyard.cli.cvat_connection import Connection
from labelyard.cli.cvat_dataset import dataset
from labelyard.cli.cvat_output import cvat_command
from labelyard.cvat import Cvat, connect
from labelyard.domain.tasks import About, Member, User


@click.group()
@click.option("--cvat", "name", default="default", show_default=True, help="The name of a CVAT in the settings.")
@click.option("--url", help="The address of another CVAT, such as http://127.0.0.1:8080.")
@click.option("--username", help="The account, if it is not that of the settings.")
@click.option("--password-file", type=click.File(), help="A file whose first line is the password; - is stdin.")
@click.option("--token-file", type=click.File(), help="A file whose first line is a token; - is stdin.")
@click.option("--organization", metavar="NAME", help="CVAT 2.x: the short name of an organization; '' for none.")
@click.option("--dialect", type=click.Choice(["auto", "v1", "v2"]), help="The family of the server's API.")
@click.pass_context
def cvat(context: click.Context, /, **options: Any) -> None:
    """Use a CVAT from the shell: tasks, jobs, annotations, exports.

    Without --url, address and account come from the settings (LABELYARD_CVAT__DEFAULT__URL, …). A password is never an
    argument, which other users of the machine could read: it comes from the settings, a file, stdin, or a prompt.
    """
    context.obj = Connection(**options)


@cvat.command()
@cvat_command
def about(cvat: Cvat) -> About:
    """Show the server's name and version."""
    return cvat.about()


@cvat.command()
@cvat_command
def login(cvat: Cvat) -> str:
    """Log in and print the token, for --token-file of later calls.

    \b
    labelyard cvat --url http://127.0.0.1:8080 --username root login > token
    labelyard cvat --url http://127.0.0.1:8080 --token-file token whoami
    """
    return cvat.login().get_secret_value()


@cvat.command()
@cvat_command
def logout(cvat: Cvat) -> None:
    """Delete the account's token. All clients of the account share it."""
    cvat.logout()


@cvat.command()
@click.argument("username")
@click.option("--email", default="", help="The e-mail address.")
@click.option("--first-name", default="", help="The first name.")
@click.option("--last-name", default="", help="The last name.")
@click.pass_obj
def register(connection: Connection, username: str, email: str, first_name: str, last_name: str) -> None:
    """Create an account USERNAME. Its password comes from --password-file or a prompt."""
    server = connection.server
    password = Connection(url=server.url, username=username, password_file=connection.password_file).password()
    assert password is not None
    with connection.error_hints(), closing(connect(server.url, dialect=server.dialect)) as anonymous:
        anonymous.register(username, password.get_secret_value(), email=email, first=first_name, last=last_name)
    click.echo(f"created the account {username}")


@cvat.command()
@cvat_command
def whoami(cvat: Cvat) -> User:
    """Show the account of these commands."""
    return cvat.whoami()


@cvat.command()
@cvat_command
def users(cvat: Cvat) -> list[User]:
    """List the users that this account may see."""
    return cvat.users()


@cvat.command()
@cvat_command
def members(cvat: Cvat) -> list[Member]:
    """CVAT 2.x: list the members of the organization, with their roles."""
    return cvat.members()


for command in (*cvat_tasks.COMMANDS, *cvat_jobs.COMMANDS, dataset):
    cvat.add_command(command)
