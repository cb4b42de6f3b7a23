"""Pure: whether the address that all nodes are given for the head node can be meant for it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence


def wrong_address(address: str, *, head: str, own: Sequence[str] | None) -> list[str]:
    """Return why ``address`` cannot lead other nodes to the head node; empty if it can.

    ``own`` are the head node's IPv4 addresses, ``None`` if they could not be read. A name instead
    of an address is left to who resolves it.
    """
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return []
    others = [each for each in own or () if not ipaddress.ip_address(each).is_loopback]
    choice = f"its addresses are {', '.join(others)}" if others else "no address of it is known"
    if given.is_loopback or given.is_unspecified:
        return [f"{address} leads every node to itself, not to head node {head}; {choice}"]
    if own is not None and given.version == 4 and address not in own:
        return [f"{address} is no address of head node {head}; {choice}"]
    return []
