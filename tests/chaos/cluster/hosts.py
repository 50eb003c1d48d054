"""Hosts with addresses of their own: network namespaces, or loopback addresses where those are forbidden."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pyroute2 import IPRoute, NetNS, netns
from pyroute2.netlink.exceptions import NetlinkError

_NETWORK = "198.18"
"""The first half of the addresses: a range for tests of networks alone (RFC 2544)."""
_FORBIDDEN = (PermissionError, NetlinkError, OSError)


@dataclass(frozen=True)
class Host:
    """A host. Without `namespace` its address is one of the loopback interface, and it cannot be cut off."""

    name: str
    address: str
    namespace: str | None = None
    link: str | None = None
    """The end of its cable that this process sees."""

    def command(self, *words: str, user: str | None = None) -> list[str]:
        """Return a command that runs `words` on this host, as `user` if this process is root's."""
        if self.namespace is None and user is None:
            return list(words)
        prefix = [sys.executable, "-m", "tests.chaos.cluster.on_host", self.namespace or "", self.name, user or ""]
        return [*prefix, *words]

    def cut_off(self) -> None:
        """Take the host off the network: packets to it and from it are lost."""
        self._set_link("down")

    def connect(self) -> None:
        """Put it back on the network."""
        self._set_link("up")

    def _set_link(self, state: str) -> None:
        assert self.link is not None
        with IPRoute() as ip:
            ip.link("set", index=ip.link_lookup(ifname=self.link)[0], state=state)


@contextmanager
def open_hosts(names: Sequence[str], on_message: Callable[[str], None]) -> Iterator[list[Host]]:
    """Create hosts with these names, and remove them at the end.

    `on_message` receives the reason if the hosts cannot be network namespaces and are loopback addresses instead.
    """
    number = random.SystemRandom().randrange(1, 255)
    with ExitStack() as exit_stack:
        try:
            hosts = _connected(names, number, exit_stack)
        except _FORBIDDEN as error:
            exit_stack.close()
            on_message(f"no network namespaces, so the hosts are loopback addresses: {error}")
            hosts = [Host(name, f"127.{number}.0.{last}") for last, name in enumerate(names, 2)]
        yield hosts


def _connected(names: Sequence[str], number: int, exit_stack: ExitStack) -> list[Host]:
    """Return hosts in namespaces of their own, on one bridge that this process is connected to, too."""
    bridge, hosts = f"lychaos{number}", []
    ip = exit_stack.enter_context(IPRoute())
    ip.link("add", ifname=bridge, kind="bridge")
    exit_stack.callback(lambda: ip.link("del", ifname=bridge))
    bridge_index = ip.link_lookup(ifname=bridge)[0]
    ip.addr("add", index=bridge_index, address=f"{_NETWORK}.{number}.1", prefixlen=24)
    ip.link("set", index=bridge_index, state="up")
    for last, name in enumerate(names, 2):
        host = Host(name, f"{_NETWORK}.{number}.{last}", f"lychaos{number}-{name}", f"lychaos{number}-{last}")
        netns.create(host.namespace)
        exit_stack.callback(netns.remove, host.namespace)
        ip.link("add", ifname=host.link, kind="veth", peer={"ifname": "eth0", "net_ns_fd": host.namespace})
        ip.link("set", index=ip.link_lookup(ifname=host.link)[0], master=bridge_index, state="up")
        with NetNS(host.namespace) as inside:
            inside.addr("add", index=inside.link_lookup(ifname="eth0")[0], address=host.address, prefixlen=24)
            for interface in ("lo", "eth0"):
                inside.link("set", index=inside.link_lookup(ifname=interface)[0], state="up")
        hosts.append(host)
    return hosts
