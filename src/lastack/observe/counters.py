"""The kernel's counters and settings of TCP, of the network namespace that the caller is in."""

import os
from typing import Final

_HERE: Final = "/proc/thread-self/net"
_SETTINGS: Final = "/proc/sys/net"
_PORTS: Final = (32768, 60999)


def counters(place: str = _HERE) -> dict[str, int]:
    """Return what netstat and snmp count, of TCP by the kernel's names; {} for nothing."""
    found: dict[str, int] = {}
    for name in ("netstat", "snmp"):
        try:
            with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        for names, values in zip(lines[::2], lines[1::2]):
            if names.startswith("Tcp"):
                found.update(zip(names.split()[1:], map(int, values.split()[1:])))
    return found


def setting(name: str, otherwise: int = 0, of: str = "ipv4") -> int:
    """Return a sysctl of net.ipv4 (or `of` another part of net) that is one number."""
    try:
        with open(os.path.join(_SETTINGS, of, name), encoding="utf-8") as file:
            return int(file.read())
    except (OSError, ValueError):
        return otherwise


def port_range() -> tuple[int, int]:
    """Return the first and the last port that connect() chooses from."""
    try:
        with open(os.path.join(_SETTINGS, "ipv4", "ip_local_port_range"), encoding="utf-8") as file:
            low, high = map(int, file.read().split())
    except (OSError, ValueError):
        return _PORTS
    return low, high
