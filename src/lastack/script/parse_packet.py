"""The packets of a script: `< S 0:0(0) win 65535 <mss 1460>`, `> P. 1:11(10) ack 1`, ICMP."""

import re
from typing import Final

from lastack.script.model import ANY_SEQ, IcmpSpec, IpSpec, Option, SegmentSpec
from lastack.script.scan import Scanner
from lastack.wire.fast_open import EXPERIMENT, MAGIC
from lastack.wire.segment import (
    ACCURATE_ECN_0,
    ACCURATE_ECN_1,
    ACK,
    AE,
    CWR,
    ECE,
    FAST_OPEN,
    FLAG_LETTERS,
    MAXIMUM_SEGMENT_SIZE,
    MD5_SIGNATURE,
    SACK,
    SACK_PERMITTED,
    TIMESTAMPS,
    USER_TIMEOUT,
    WINDOW_SCALE,
)

_FLAGS: Final = {letter: bit for bit, letter in FLAG_LETTERS}
_FLAG_WORD: Final = re.compile(r"[FSRP.UEWA0-7]+(?=[ \t])|-(?=[ \t])")
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
_PORTS: Final = re.compile(r"([0-9]+)[ \t]*>[ \t]*([0-9]+)")
_ECN: Final = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3, "ect01": -2}
_TUNNELS: Final = ("ipv4", "ipv6", "gre", "GREv0", "mpls", "encap")
_MOST_DATA: Final = 1 << 20
_MASK: Final = 0xFFFFFFFF


def packet(scanner: Scanner, inbound: bool) -> SegmentSpec | IcmpSpec:
    """Read a packet behind its `<` or `>`."""
    ip = _ip(scanner)
    for tunnel in _TUNNELS:
        if scanner.takes_word(tunnel):
            scanner.unsupported(f"packets in {tunnel}")
    if scanner.takes_word("udp") or scanner.takes_word("sctp") or scanner.takes_word("udplite"):
        scanner.unsupported("UDP and SCTP packets")
    if scanner.takes_word("icmp"):
        return _icmp(scanner, inbound, ip)
    return _segment(scanner, inbound, ip)


def _ip(scanner: Scanner) -> IpSpec:
    """Read `[ect0]`, `(tos 0x10, ttl 3)`: what is said of the IP header."""
    ecn = tos = ttl = label = -1
    for left, right in ("[]", "()"):
        if not scanner.takes(left):
            continue
        while not scanner.takes(right):
            word = scanner.word("ect0, ect1, ect01, ce, noecn, tos, ttl or flowlabel")
            if word in _ECN:
                ecn = _ECN[word]
            elif word in ("tos", "class"):
                tos = scanner.number("a TOS octet", 255)
            elif word in ("ttl", "hlim"):
                ttl = scanner.number("a TTL", 255)
            elif word == "flowlabel":
                label = scanner.number("a flow label", 0xFFFFF)
            else:
                scanner.fail("ect0, ect1, ect01, ce, noecn, tos, ttl or flowlabel")
            scanner.takes(",")
    return IpSpec(ecn, tos, ttl, label)


def _range(scanner: Scanner) -> tuple[int, int]:
    """Read `1:101(100)`; return the first number and the length. `...(100)` takes any number."""
    if scanner.takes("..."):
        scanner.expect("(")
        length = scanner.number("the octets of data", _MOST_DATA)
        scanner.expect(")")
        return ANY_SEQ, length
    seq = scanner.number("a sequence number", _MASK)
    scanner.expect(":")
    end_at = scanner.at
    end = scanner.number("the sequence number behind the data", _MASK)
    scanner.expect("(")
    length = scanner.number("the octets of data", _MOST_DATA)
    scanner.expect(")")
    if (seq + length) & _MASK != end:
        scanner.at = end_at
        scanner.fail(f"{(seq + length) & _MASK}, from the length,")
    return seq, length


def _icmp(scanner: Scanner, inbound: bool, ip: IpSpec) -> IcmpSpec:
    kind = scanner.word("an ICMP type")
    code = ""
    mtu = 0
    if not scanner.sees("[") and not scanner.sees("mtu"):
        found = scanner.match(re.compile(r"[a-z_][a-z_0-9]*"))
        code = found[0] if found is not None else ""
    if code == "id" or scanner.takes_word("id"):
        scanner.unsupported("ICMP echo")
    if scanner.takes_word("mtu"):
        mtu = scanner.number("an MTU", _MASK)
    seq = length = 0
    udp: tuple[int, int] | None = None
    if scanner.takes("["):
        if scanner.takes_word("udp") or scanner.takes_word("raw"):
            scanner.unsupported("ICMP about UDP")
        seq, length = _range(scanner)
        udp = _udp(scanner)
        scanner.expect("]")
        seq = max(seq, 0)
    return IcmpSpec(inbound, kind, code, mtu, seq, length, ip, udp)


def _udp(scanner: Scanner) -> tuple[int, int] | None:
    """Read `/udp(9811 > 1)`, the ports of the datagram around a segment; None without one."""
    if not scanner.takes("/udp("):
        return None
    ports = scanner.match(_PORTS)
    if ports is None:
        scanner.fail("two UDP ports")
    scanner.expect(")")
    return int(ports[1]), int(ports[2])


def _segment(scanner: Scanner, inbound: bool, ip: IpSpec) -> SegmentSpec:
    ports = scanner.match(_PORTS)
    flags, counted = _flags(scanner)
    seq, length = _range(scanner)
    absolute = scanner.takes("!")
    if seq == ANY_SEQ and inbound:
        scanner.fail("a sequence number for what the remote host sends,")
    ack = window = urgent = -1
    if scanner.takes_word("ack"):
        ack = scanner.number("an acknowledgment number", _MASK)
    if scanner.takes_word("win"):
        window = scanner.number("a window", 0xFFFF)
    if scanner.takes_word("urg"):
        urgent = scanner.number("an urgent pointer", 0xFFFF)
    options: tuple[Option, ...] | None = ()
    if scanner.takes("<"):
        if scanner.takes("..."):
            options = None
            scanner.expect(">")
        else:
            options = _options(scanner)
    if inbound and window < 0:
        window = 0
    return SegmentSpec(
        inbound,
        flags,
        seq,
        length,
        ack,
        window,
        urgent,
        options,
        ip,
        (int(ports[1]), int(ports[2])) if ports is not None else None,
        counted,
        absolute,
        _udp(scanner),
    )


def _flags(scanner: Scanner) -> tuple[int, bool]:
    found = scanner.match(_FLAG_WORD)
    if found is None:
        scanner.fail("flags (FSRP.UEWA, or - for none)")
    flags = 0
    counted = False
    for letter in found[0]:
        if letter in "01234567":
            digit = int(letter)
            flags |= (ECE if digit & 1 else 0) | (CWR if digit & 2 else 0)
            flags |= AE if digit & 4 else 0
            counted = True
        elif letter != "-":
            flags |= _FLAGS[letter]
    if not flags & ACK and scanner.sees(". "):
        scanner.expect(".")  # a space before the dot
        flags |= ACK
    return flags, counted


def _options(scanner: Scanner) -> tuple[Option, ...]:
    found = [_option(scanner)]
    while scanner.takes(","):
        found.append(_option(scanner))
    scanner.expect(">")
    length = sum(option.length for option in found)
    if length > 40:
        scanner.fail(f"at most 40 octets of options, not {length},")
    found.extend([Option(0)] * (-length % 4))
    return tuple(found)


def _option(scanner: Scanner) -> Option:
    if scanner.takes("0x"):
        octets = _hex(scanner, "kind, length and octets")
        if len(octets) < 2 or octets[1] != len(octets):
            scanner.fail("a kind, the right length, and octets")
        return Option(octets[0], octets[2:])
    name = scanner.word("an option (mss, wscale, sackOK, sack, TS, FO, uto, nop, eol or 0x...)")
    if name == "nop":
        return Option(1)
    if name == "eol":
        return Option(0)
    if name == "sackOK":
        return Option(SACK_PERMITTED)
    if name == "mss":
        return Option(MAXIMUM_SEGMENT_SIZE, scanner.number("an MSS", 0xFFFF).to_bytes(2, "big"))
    if name == "wscale":
        return Option(WINDOW_SCALE, scanner.number("a shift", 255).to_bytes(1, "big"))
    if name == "uto":
        return Option(USER_TIMEOUT, scanner.number("a timeout", 0xFFFF).to_bytes(2, "big"))
    if name == "sack":
        return _sack(scanner)
    if name == "TS":
        return _timestamps(scanner)
    if name == "FO":
        more = not scanner.sees(",") and not scanner.sees(">")
        return Option(FAST_OPEN, _cookie(scanner) if more else b"")
    if name == "FOEXP":
        more = not scanner.sees(",") and not scanner.sees(">")
        return Option(EXPERIMENT, MAGIC + (_cookie(scanner) if more else b""))
    if name == "md5":
        if scanner.takes_word("valid"):
            return Option(MD5_SIGNATURE, bytes(16), valid=True)
        return Option(MD5_SIGNATURE, _hex(scanner, "a digest"))
    if name == "ECN":
        return _marks(scanner)
    raise scanner.fault("an option (mss, wscale, sackOK, sack, TS, FO, uto, nop, eol or 0x...)")


def _marks(scanner: Scanner) -> Option:
    """Read an AccECN option: `ECN e0b 1 ceb 0 e1b 1`, or e1b first; the last may be left out."""
    order_1 = scanner.sees("e1b")
    body = b""
    for name in ("e1b", "ceb", "e0b") if order_1 else ("e0b", "ceb", "e1b"):
        if not scanner.takes_word(name):
            break
        body += scanner.number("a counter of 24 bits", 0xFFFFFF).to_bytes(3, "big")
    return Option(ACCURATE_ECN_1 if order_1 else ACCURATE_ECN_0, body)


def _cookie(scanner: Scanner) -> bytes:
    return _hex(scanner, "a cookie")


def _hex(scanner: Scanner, what: str) -> bytes:
    found = scanner.match(_HEX)
    if found is None or len(found[0]) % 2:
        scanner.fail(f"{what} as an even number of hexadecimal digits")
    return bytes.fromhex(found[0])


def _sack(scanner: Scanner) -> Option:
    blocks: list[tuple[int, int]] = []
    while not blocks or scanner.text[scanner.at : scanner.at + 1].isdigit():
        low = scanner.number("the left edge of a SACK block", _MASK)
        scanner.expect(":")
        blocks.append((low, scanner.number("the right edge of a SACK block", _MASK)))
    return Option(SACK, sack=tuple(blocks))


def _timestamps(scanner: Scanner) -> Option:
    numbers: list[int] = []
    for word in ("val", "ecr"):
        if not scanner.takes_word(word):
            scanner.fail(word)
        open_ended = scanner.takes("...")
        numbers.append(-1 if open_ended else scanner.number("a timestamp", _MASK))
    return Option(TIMESTAMPS, ts_val=numbers[0], ts_ecr=numbers[1])
