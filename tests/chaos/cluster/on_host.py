"""Run a command on a host: in its network namespace, under its host name, as another user.

python -m tests.chaos.cluster.on_host NAMESPACE HOST USER COMMAND …     empty NAMESPACE and USER: those of the caller
"""

from __future__ import annotations

import ctypes
import os
import pwd
import socket
import sys

from pyroute2 import netns

_CLONE_NEWUTS = 0x04000000
"""os.unshare came with Python 3.12."""


def main(namespace: str, host: str, user: str, command: list[str]) -> None:
    """Become the command."""
    if namespace:
        netns.setns(namespace)
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUTS):
            raise OSError(ctypes.get_errno(), "no host name of its own")
        socket.sethostname(host)
    if user and os.geteuid() == 0:
        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
