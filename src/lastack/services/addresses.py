"""Which address the kernel gets at the other end of a device, seen from ours."""

from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

AnyInterface = IPv4Interface | IPv6Interface


def parse_interface(text: str) -> AnyInterface:
    """Return an address with its prefix length; raises ValueError with a sentence."""
    if "/" not in text:
        raise ValueError(f"{text!r} lacks its prefix length; write it as 10.9.0.2/24")
    try:
        found = ip_interface(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no address; write it as 10.9.0.2/24 or fd00:9::2/64"
        ) from None
    address, network = found.ip, found.network
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        raise ValueError(f"{address} cannot be the address of a host on a device")
    if isinstance(found, IPv4Interface) and network.prefixlen < 31:
        if address in (network.network_address, network.broadcast_address):
            raise ValueError(f"{address} stands for the whole network {network}, not for a host")
    return found


def neighbour(ours: AnyInterface) -> str:
    """Return the first other address of the same network, with the prefix length.

    Raises ValueError where there is no room for another.
    """
    network = ours.network
    first = int(network.network_address) + (1 if network.num_addresses > 2 else 0)
    for number in (first, first + 1):
        address = type(ours.ip)(number)
        if address != ours.ip and address in network:
            return f"{address}/{network.prefixlen}"
    raise ValueError(f"{ours} leaves the kernel no address beside it; use a shorter prefix")


def kernel_addresses(ours: list[AnyInterface], wanted: list[str]) -> list[str]:
    """Return the kernel's addresses for ours: the wanted ones, and neighbours where none is.

    A wanted address without prefix length takes that of ours of the same family. Raises ValueError.
    """
    chosen: list[str] = []
    served: set[AnyInterface] = set()
    for text in wanted:
        address = ip_address(text.partition("/")[0])
        mate = next((each for each in ours if each.version == address.version), None)
        if mate is None:
            raise ValueError(f"{text} has no address of ours beside it")
        if any(address == each.ip for each in ours):
            raise ValueError(f"{address} is ours; the kernel needs another one")
        length = mate.network.prefixlen
        chosen.append(text if "/" in text else f"{address}/{length}")
        served.update(each for each in ours if address in each.network)
    taken = {each.ip for each in ours}
    for each in ours:
        if each not in served:
            text = neighbour(each)
            if ip_address(text.partition("/")[0]) in taken:
                raise ValueError(
                    f"choose the kernel's address for {each} yourself: --kernel-address"
                )
            if text not in chosen:
                chosen.append(text)
    return chosen
