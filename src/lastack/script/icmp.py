"""The names of ICMP errors in scripts, and what stands in the message."""

from typing import Final

from lastack.script.model import IcmpSpec
from lastack.script.symbols import Unknown
from lastack.wire.icmp import IcmpKind, IcmpMessage

_UNREACHABLE4: Final = (
    "net_unreachable",
    "host_unreachable",
    "protocol_unreachable",
    "port_unreachable",
    "frag_needed",
    "source_route_failed",
    "net_unknown",
    "host_unknown",
    "source_host_isolated",
    "net_prohibited",
    "host_prohibited",
    "net_unreachable_for_tos",
    "host_unreachable_for_tos",
    "packet_filtered",
    "precedence_violation",
    "precedence_cutoff",
)
_UNREACHABLE6: Final = (
    "no_route",
    "admin_prohibited",
    "not_neighbour",
    "address_unreachable",
    "port_unreachable",
)
_TYPES: Final = {
    "unreachable": IcmpKind.UNREACHABLE,
    "packet_too_big": IcmpKind.PACKET_TOO_BIG,
    "time_exceeded": IcmpKind.TIME_EXCEEDED,
    "parameter_problem": IcmpKind.PARAMETER_PROBLEM,
    "source_quench": IcmpKind.SOURCE_QUENCH,
    "redirect": IcmpKind.REDIRECT,
}
_CODES: Final = {
    "ttl_exceeded_in_transit": 0,
    "exceeded_hop_limit": 0,
    "frag_reass_exceeded": 1,
    "exceeded_frag_time": 1,
    "header_field": 0,
    "unknown_next_header": 1,
    "unknown_option": 2,
}


def icmp_of(spec: IcmpSpec, version: int) -> tuple[IcmpKind, int, int]:
    """Return the kind, the code and the 32 bits behind it; raises Unknown for other names."""
    kind = _TYPES.get(spec.type)
    if kind is None or (kind is IcmpKind.PACKET_TOO_BIG and version == 4):
        raise Unknown(f"ICMP {spec.type}")
    code = _code(spec, kind, version)
    if kind is IcmpKind.UNREACHABLE and version == 4 and spec.code == "frag_needed":
        return kind, code, spec.mtu
    return kind, code, spec.mtu if kind is IcmpKind.PACKET_TOO_BIG else 0


def icmp_differences(spec: IcmpSpec, message: IcmpMessage) -> list[str]:
    """Return the names of what differs in a message that the stack has sent."""
    kind, code, rest = icmp_of(spec, message.version)
    wrong: list[str] = []
    if message.kind is not kind or message.code != code:
        wrong.append("type or code")
    if rest and message.mtu != rest:
        wrong.append("mtu")
    return wrong


def _code(spec: IcmpSpec, kind: IcmpKind, version: int) -> int:
    name = spec.code
    if not name:
        return 0
    if name.startswith("code_") and name[5:].isdigit():
        return int(name[5:])
    names = _UNREACHABLE4 if version == 4 else _UNREACHABLE6
    if kind is IcmpKind.UNREACHABLE and name in names:
        return names.index(name)
    if name in _CODES:
        return _CODES[name]
    raise Unknown(f"ICMP {spec.type} {name}")
