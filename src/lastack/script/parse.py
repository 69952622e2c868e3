"""From text to a `Script`: header lines, times, system calls and their arguments, shell lines.

Reads both dialects of packetdrill, Google's and nplab's (FreeBSD).
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

from lastack.script.model import (
    ANYTHING,
    Action,
    Array,
    Call,
    Clock,
    Either,
    Event,
    Expression,
    Header,
    Name,
    Script,
    Shell,
    Snippet,
    Struct,
    When,
)
from lastack.script.parse_packet import packet
from lastack.script.scan import Malformed, Scanner, preprocess
from lastack.units import SECOND, US

_OPTION: Final = re.compile(r"--([a-zA-Z0-9_]+)(?:=(\"[^\"\n]*\"|[^\s]+))?")
_TIME: Final = re.compile(r"[0-9]*\.[0-9]+|[0-9]+")
_STRING: Final = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_ERRNO: Final = re.compile(r"E[A-Z0-9]+\b")
_FIELD: Final = re.compile(r"([a-z_][a-z_0-9]*)\s*(?:\(([^()=]*)\))?\s*=(?!=)")
_FREEBSD: Final = re.compile(r"\b(?:net\.inet6?\.|kern\.|sockstat|tcpdrop)")
_LINUX: Final = re.compile(r"net\.ipv[46]\.|defaults\.sh|/proc/sys")
_IGNORED: Final = frozenset(
    (
        "gateway_ip", "netmask_ip", "speed", "wire_client", "wire_server", "verbose",
        "debug", "tcp_ts_ecr_scaled", "init_scripts", "code_command", "code_format", "code_sockopt",
    )
)  # fmt: skip
"""Header lines that say nothing about a run in virtual time."""


_SUITE: Final = {
    "TFO_COOKIE": "3021b9d889017eeb",
    "CODE": "host_unreachable",
}
"""What packetdrill's own suite defines for IPv4: the cookie is that of its key and addresses."""


def load(path: str | Path, defined: Mapping[str, str] | None = None) -> Script:
    """Read a script from a file. Raises OSError, Malformed, Unsupported."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    return parse(text, str(path), defined)


def parse(text: str, path: str = "script", defined: Mapping[str, str] | None = None) -> Script:
    """Read a script; `defined` are the names for `#ifdef` and their values ("" for none).

    Raises Malformed with file, line and what was expected; Unsupported for what is in the language
    but not in our reach.
    """
    scanner = Scanner(preprocess(text, path, {**_SUITE, **(defined or {})}), path)
    header = _header(scanner)
    events: list[Event] = []
    while not scanner.at_end:
        events.append(_event(scanner))
    if not events:
        raise Malformed(path, 1, "expected at least one event")
    dialect = ""
    for event in events:
        if isinstance(event.action, Shell):
            if _FREEBSD.search(event.action.command):
                dialect = "freebsd"
            elif _LINUX.search(event.action.command):
                dialect = "linux"
    return Script(path, header, events, dialect)


def _header(scanner: Scanner) -> Header:
    header = Header()
    while scanner.sees("--"):
        line_at = scanner.at
        found = scanner.match(_OPTION)
        if found is None:
            scanner.fail("--option or --option=value")
        name, value = found[1], (found[2] or "").strip('"')
        try:
            known = _set(header, name, value)
        except ValueError:
            scanner.at = line_at
            scanner.fail(f"a value for --{name}")
        if not known:
            scanner.at = line_at
            scanner.unsupported(f"the option --{name}" + (f"={value}" if value else ""))
    return header


def _set(header: Header, name: str, value: str) -> bool:
    """Take one header line; False for one that cannot be obeyed, ValueError for a bad value."""
    if name == "ip_version":
        if value not in ("ipv4", "ipv6"):
            return False
        header.ip_version = 6 if value == "ipv6" else 4
    elif name == "tolerance_usecs":
        header.tolerance = int(value) * US
    elif name == "tolerance_percent":
        header.tolerance_percent = float(value)
    elif name == "tcp_ts_tick_usecs":
        header.ts_tick = int(value) * US
    elif name in ("mtu", "mss", "bind_port", "connect_port"):
        setattr(header, name, int(value))
    elif name in ("local_ip", "remote_ip"):
        setattr(header, name, value)
    elif name == "strict_segments":
        header.strict_segments = True
    elif name == "tcp_md5_secret":
        header.md5_secret = value.encode()
    elif name == "udp_encapsulation":
        return value == "tcp"  # each packet says itself whether it is in UDP
    elif name == "non_fatal":
        header.forgiven = frozenset(value.split(","))
    elif name == "knob":
        knob, _, setting = value.partition("=")
        header.knobs[knob] = setting
    elif name not in _IGNORED:
        return False
    return True


def _event(scanner: Scanner) -> Event:
    start, line = scanner.at, scanner.line
    if scanner.sees("`"):
        # A command before the first event or behind the last needs no time.
        when, end = When(Clock.RELATIVE, 0), -1
    else:
        when, end = _when(scanner)
    action = _action(scanner, end)
    text = re.sub(r"//[^\n]*", "", scanner.text[start : scanner.at])
    return Event(line, when, action, " ".join(text.split()))


_LONGEST_TIME: Final = 1_000_000 * SECOND


def _when(scanner: Scanner) -> tuple[When, int]:
    """Read a time; return it, and the end of a blocking call (-1 without one)."""
    if scanner.takes("*"):
        return When(Clock.ANY), -1
    clock = Clock.RELATIVE if scanner.takes("+") else Clock.ABSOLUTE
    start = _time(scanner)
    if scanner.takes("..."):
        return When(clock, start), _time(scanner)
    if scanner.takes("~"):
        if scanner.takes("+") != (clock is Clock.RELATIVE):
            scanner.fail("two times of one kind around ~")
        end = _time(scanner)
        if end < start:
            scanner.fail("an end that is not before the start")
        return When(clock, start, end), -1
    return When(clock, start), -1


def _time(scanner: Scanner) -> int:
    found = scanner.match(_TIME)
    if found is None:
        scanner.fail("a time (+0.1, 0.1, *, +0~+0.1), or a command between backticks")
    time = round(Fraction(found[0]) * SECOND)
    if time > _LONGEST_TIME:
        scanner.fail("a time of a million seconds at most before this")
    return time


def _action(scanner: Scanner, end: int) -> Action:
    if scanner.takes("<"):
        return packet(scanner, True)
    if scanner.takes(">"):
        return packet(scanner, False)
    if scanner.sees("`"):
        scanner.at += 1
        return Shell(scanner.until("`", "a command").strip())
    if scanner.sees("%{"):
        scanner.at += 2
        return Snippet(scanner.until("}%", "a snippet").strip())
    name = scanner.word("a packet (< or >), a system call, `command` or %{ code }%")
    scanner.expect("(")
    arguments = _list(scanner, ")")
    scanner.expect("=")
    result: Expression = ANYTHING
    if not scanner.takes("?"):
        result = _expression(scanner)
    found = scanner.match(_ERRNO) if result == -1 else None
    if scanner.sees("("):
        scanner.until(")", "a note")
    return Call(name, arguments, result, found[0] if found is not None else "", end)


def _list(scanner: Scanner, closing: str) -> tuple[Expression, ...]:
    items: list[Expression] = []
    if scanner.takes(closing):
        return ()
    while True:
        items.append(_expression(scanner))
        if scanner.takes(closing):
            return tuple(items)
        scanner.expect(",")


def _expression(scanner: Scanner) -> Expression:
    parts = [_term(scanner)]
    while scanner.takes("|"):
        parts.append(_term(scanner))
    return parts[0] if len(parts) == 1 else Either(tuple(parts))


def _term(scanner: Scanner) -> Expression:
    if scanner.takes("..."):
        return ANYTHING
    if scanner.takes("["):
        return Array(_list(scanner, "]"))
    if scanner.takes("{"):
        return _braces(scanner)
    if scanner.sees('"'):
        octets = b""
        while (found := scanner.match(_STRING)) is not None:
            octets += found[1].encode().decode("unicode_escape").encode("latin-1", "replace")
        scanner.takes("...")
        return octets
    first = scanner.text[scanner.at : scanner.at + 1]
    if first.isdigit() or first == "-":
        return scanner.signed("a number")
    word = scanner.word("a value")
    if not scanner.takes("("):
        return Name(word)
    inner = _list(scanner, ")")
    if word in ("htons", "htonl", "inet_addr", "inet6_addr") and len(inner) == 1:
        return inner[0]
    raise scanner.fault(f"no call of {word} inside arguments,")


def _braces(scanner: Scanner) -> Expression:
    """Read {a, b}, {name=value, ...} or {name(n)=value, ...}."""
    found = scanner.match(_FIELD)
    if found is None:
        return Array(_list(scanner, "}"))
    fields: dict[str, Expression] = {}
    while True:
        fields[found[1]] = _expression(scanner)
        if scanner.takes("}"):
            return Struct(fields)
        scanner.expect(",")
        found = scanner.match(_FIELD)
        if found is None:
            scanner.fail("name=value")
