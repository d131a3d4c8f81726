"""Which addresses a download, or a look at an input, may reach.

Two walls. The URL's text: https, the service's own hosts, the usual port; inputs may live on any host and port. And
every socket's real address, looked at when the connection is made: that one sees through names that resolve to this
network, rebinding, and odd spellings of an address, which no reading of the text can.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

ASSIGNED_V6: Final = ipaddress.IPv6Network("2000::/3")
"""What the internet hands out. Python holds more for public: `::10.0.0.1`, `fec0::/10`, `64:ff9b:1::/48`."""
REFUSED: Final = "is no public address"
DEFAULT_HOSTS: Final = frozenset({".runcomfy.net", ".runcomfy.com"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPolicy:
    """Hosts that outputs may come from: exact names, or `.suffix` for a domain and all below it."""

    trusted: frozenset[str] = DEFAULT_HOSTS
    allow_loopback: bool = False
    """This machine as well, over http too: the API base is a local one."""
    allow_any_host: bool = False
    """Every public host, over https on any port: inputs live anywhere."""

    def refusal(self, url: str) -> str | None:
        """Why the URL must not be fetched, or `None`."""
        if "\\" in url or re.search(r"[\s\x00-\x1f]", url):
            return "it is no proper URL"
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").rstrip("."), parts.port
            if host.isascii():
                host.encode("idna")  # raises for a label that is empty or too long: no name has one
        except ValueError:
            return "it is no proper URL"
        if parts.username is not None or parts.password is not None:
            return "it hides its host"
        if not host.isascii() and not self.allow_any_host:  # of any host, only its address counts
            return "it hides its host"
        if self.allow_loopback and parts.scheme in ("http", "https") and _is_loopback_name(host):
            return None
        if self.allow_any_host:
            return None if parts.scheme == "https" and host else "only https is fetched"
        if parts.scheme != "https" or port not in (None, 443):
            return "only https on its usual port is fetched"
        return None if self._is_trusted(host) else f"the host {host[:100]!r} is not trusted; --trust-host allows it"

    def _is_trusted(self, host: str) -> bool:
        return any(
            host == name.lstrip(".") or (name[0] == "." and host.endswith(name)) for name in self.trusted if name
        )


class AddressRefused(OSError):
    """The name led to an address that must not be reached."""


def is_address_refusal(error: BaseException) -> bool:
    """Whether that is why a connection failed; aiohttp wraps it, and melts the errors of several addresses into one."""
    return isinstance(error, AddressRefused) or isinstance(error.__cause__, AddressRefused) or REFUSED in str(error)


def socket_factory(policy: HostPolicy) -> Callable[[Any], socket.socket]:
    """A factory for aiohttp's connector that makes sockets for public addresses only."""

    def make(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if not is_allowed(address[0], policy):
            raise AddressRefused(f"{address[0]} {REFUSED}")
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setblocking(False)
        return made

    return make


def is_allowed(text: str, policy: HostPolicy) -> bool:
    """Whether an address is public, or this machine where that is allowed; those wrapped in IPv6 are unwrapped."""
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or _nat64(address) or address
    if address.is_loopback:
        return policy.allow_loopback
    is_assigned = isinstance(address, ipaddress.IPv4Address) or address in ASSIGNED_V6
    return is_assigned and address.is_global and not address.is_multicast


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    prefix = ipaddress.IPv6Network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in prefix else None


def _is_loopback_name(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
