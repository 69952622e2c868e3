"""Which addresses may be probed without a word: this machine's own."""

import socket
from ipaddress import ip_address


def why_not_allowed(host: str) -> str:
    """Return why an address may not be probed unasked; "" when it may.

    Allowed are the addresses of this machine (or of the namespace that this process is in), its
    loopback among them. What lies behind a device, a TUN too, may be somebody else's.
    """
    allowed = ip_address(host).is_loopback or _is_ours(host)
    return "" if allowed else f"{host} is no address of this machine"


def _is_ours(host: str) -> bool:
    """Return whether the kernel has this address: then it lets us bind to it."""
    address = ip_address(host)
    if address.is_multicast or address.is_unspecified:
        return False
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as scout:
        try:
            scout.bind((host, 0))
        except OSError:
            return False
    return True
