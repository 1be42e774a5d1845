"""
From where a credential may be used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

_BRACKETS = re.compile(r"\[([^\[\]]*)\](.*)")


class Networks:
    """
    A list of networks. The peers are named as L{pop3svc.peers.peerName} does.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """
        @param texts: addresses and networks, for example C{192.0.2.0/24},
            C{2001:db8::/32} or C{[2001:db8::]/32}; C{unix} for peers without
            an address, on UNIX sockets.
        @raise ValueError: with a sentence, also when there is none.
        """
        self._texts = tuple(texts)
        self._unix = "unix" in self._texts
        self._networks = [_network(each) for each in self._texts if each != "unix"]
        if not self._texts:
            raise ValueError("there is no network in the list")

    def __contains__(self, peer: str) -> bool:
        """Whoever is C{unknown} is nowhere."""
        try:
            address = ip_address(peer)
        except ValueError:
            return peer == "unix" and self._unix
        return any(address in each for each in self._networks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Networks) and self._texts == other._texts

    def __hash__(self) -> int:
        return hash(self._texts)

    def __str__(self) -> str:
        return ",".join(self._texts)


def _network(text: str) -> IPv4Network | IPv6Network:
    inside = _BRACKETS.fullmatch(text)
    try:
        found = ip_network(inside[1] + inside[2] if inside else text, strict=False)
    except ValueError:
        # Its own words would quote the text without saying what to write.
        raise ValueError(
            "networks are written 192.0.2.0/24, [2001:db8::]/32 or unix, with commas between"
        ) from None
    if isinstance(found, IPv6Network) and found.prefixlen >= 96:
        # Peers are never named in this form.
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, found.prefixlen - 96))
    return found
