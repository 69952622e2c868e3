"""Addresses and endpoints: packed octets inside, text at the doors."""

from ipaddress import ip_address
from typing import NamedTuple


class Endpoint(NamedTuple):
    """An address of 4 or 16 packed octets, and a port."""

    address: bytes
    port: int

    def __str__(self) -> str:
        text = format_address(self.address)
        return f"[{text}]:{self.port}" if ":" in text else f"{text}:{self.port}"


def endpoint(address: bytes, port: int) -> Endpoint:
    """Return an Endpoint without calling the class, whose __new__ is interpreted: for hot paths."""
    return tuple.__new__(Endpoint, (address, port))


def pack_address(text: str) -> bytes:
    """Return the 4 or 16 octets of an address in text; raises ValueError when it is none."""
    return ip_address(text.partition("%")[0]).packed


def format_address(address: bytes) -> str:
    """Return the usual text of 4 or 16 octets."""
    return str(ip_address(address))
