"""The language: what is read, and what is said about text that is not in it."""

import pytest

from lastack.script import Malformed, Unsupported, parse
from lastack.script.model import (
    ANYTHING,
    Array,
    Call,
    Clock,
    Either,
    IcmpSpec,
    Name,
    SegmentSpec,
    Shell,
    Snippet,
    Struct,
    When,
)
from lastack.units import MS, SECOND
from lastack.wire.segment import ACK, ECE, FIN, PSH, SYN, URG


def segment(text: str) -> SegmentSpec:
    action = parse(text).events[0].action
    assert isinstance(action, SegmentSpec)
    return action


def call(text: str) -> Call:
    action = parse(text).events[0].action
    assert isinstance(action, Call)
    return action


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("0", When(Clock.ABSOLUTE, 0)),
        ("1.5", When(Clock.ABSOLUTE, 1500 * MS)),
        ("+.1", When(Clock.RELATIVE, 100 * MS)),
        ("+0.000001", When(Clock.RELATIVE, 1000)),
        ("*", When(Clock.ANY)),
        ("1~2", When(Clock.ABSOLUTE, SECOND, 2 * SECOND)),
        ("+0~+.5", When(Clock.RELATIVE, 0, 500 * MS)),
    ],
)
def test_times_are_absolute_relative_any_or_a_range(text: str, when: When) -> None:
    """packetdrill: t, +t, *, a~b, +a~+b."""
    assert parse(f"{text} > . 1:1(0) ack 1").events[0].when == when


def test_a_segment_is_read_whole() -> None:
    """Flags, numbers, window, urgent pointer, options in order."""
    spec = segment("+0 < FPU. 1:11(10) ack 5 win 100 urg 3 <nop,nop,TS val 7 ecr 9>")
    assert spec.inbound and spec.flags == FIN | PSH | URG | ACK
    assert (spec.seq, spec.length, spec.ack, spec.window, spec.urgent) == (1, 10, 5, 100, 3)
    assert spec.options is not None
    assert [option.kind for option in spec.options] == [1, 1, 8]
    assert (spec.options[2].ts_val, spec.options[2].ts_ecr) == (7, 9)


def test_options_are_padded_and_may_be_left_open() -> None:
    """RFC 9293 3.1: a header is whole words; `<...>` takes any options."""
    spec = segment("+0 > S 0:0(0) <mss 1460,wscale 7>")
    assert spec.options is not None
    assert [option.kind for option in spec.options] == [2, 3, 0]
    assert segment("+0 > S 0:0(0) <...>").options is None
    assert segment("+0 > . 1:1(0) ack 1").options == ()


def test_the_ip_header_and_ports_may_be_named() -> None:
    """Both spellings of brackets."""
    spec = segment("+0 > [ect0] 8080 > 40000 SE 0:0(0)")
    assert spec.ip.ecn == 2 and spec.ports == (8080, 40000) and spec.flags == SYN | ECE
    assert segment("+0 < (tos 0x10, ttl 3) . 1:1(0) ack 1").ip.ttl == 3


def test_the_second_dialect_has_spellings_of_its_own() -> None:
    """There are hlim and class for IPv6, ! for a number as on the wire, a space before the dot."""
    spec = segment("+0 > (hlim 4) R. 0:0(0)! ack 1")
    assert spec.absolute and spec.ip.ttl == 4
    assert segment("+0 < (class 0x28) F  . 1:1(0) ack 1").flags == FIN | ACK


def test_an_icmp_error_quotes_what_was_sent() -> None:
    """The form: icmp TYPE CODE mtu N [seq:end(length)]."""
    action = parse("+0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]").events[0].action
    assert action == IcmpSpec(True, "unreachable", "frag_needed", 1200, 1, 1460)


def test_a_system_call_has_arguments_of_many_kinds() -> None:
    """Numbers, names, flags, strings, arrays, structures, and ... for whatever it is."""
    found = call(
        '+0 f(1, 0x10, A|B, "a\\n", [X], {onoff=1, linger=2}, ..., [{..., 9}]) = -1 EX (a b)'
    )
    assert found.arguments == (
        1,
        16,
        Either((Name("A"), Name("B"))),
        b"a\n",
        Array((Name("X"),)),
        Struct({"onoff": 1, "linger": 2}),
        ANYTHING,
        Array((Array((ANYTHING, 9)),)),
    )
    assert (found.result, found.errno, found.end) == (-1, "EX", -1)


def test_an_address_and_a_message_are_structures() -> None:
    """What htons and inet_addr say is what their argument says."""
    found = call(
        '+0 g({sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("1.2.3.4")},'
        " {msg_name(...)=..., msg_iov(1)=[{..., 5}], msg_flags=0}) = 0"
    )
    address, message = found.arguments
    assert isinstance(address, Struct) and address.fields["sin_port"] == 80
    assert address.fields["sin_addr"] == b"1.2.3.4"
    assert isinstance(message, Struct) and list(message.fields)[1] == "msg_iov"


def test_a_blocking_call_has_an_end() -> None:
    """`+0...0.2`: when it begins and when it returns."""
    assert call("+.1...0.25 read(4, ..., 10) = 10").end == 250 * MS


def test_shell_lines_and_snippets_are_recognised() -> None:
    """A command at the very beginning or end needs no time."""
    script = parse("`sysctl -q a=1\n b`\n+0 %{ assert x == {1} }%\n`c`")
    kinds = [type(event.action) for event in script.events]
    assert kinds == [Shell, Snippet, Shell]


def test_the_dialect_is_seen_from_the_sysctls() -> None:
    """It chooses the preset when nobody else does."""
    assert parse("0 `sysctl -w net.inet.tcp.rfc1323=1`").dialect == "freebsd"
    assert parse("0 `sysctl -q net.ipv4.tcp_sack=1`").dialect == "linux"
    assert parse("0 > . 1:1(0) ack 1").dialect == ""


def test_comments_and_header_lines() -> None:
    """// and /* */ anywhere; --option=value before the first event."""
    script = parse(
        "// a\n--mtu=1280 // b\n--ip_version=ipv6\n/* c\n c */ 0 > . 1:1(0) /* d */ ack 1"
    )
    assert (script.header.mtu, script.header.ip_version, len(script.events)) == (1280, 6, 1)
    assert script.events[0].line == 5


def test_branches_count_by_what_is_defined() -> None:
    """#ifdef, #ifndef, #else, #endif; lines keep their numbers."""
    text = "0 > . 1:1(0) ack 1\n#ifdef A\n+0 > . 2:2(0) ack 1\n#else\n+0 > . 3:3(0) ack N\n#endif\n"
    one = parse(text, defined={"A": "", "N": "9"}).events[1]
    other = parse(text, defined={"N": "9"}).events[1]
    assert isinstance(one.action, SegmentSpec) and isinstance(other.action, SegmentSpec)
    assert (one.action.seq, one.line) == (2, 3)
    assert (other.action.seq, other.action.ack, other.line) == (3, 9, 5)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("s// x\n0 > . 1:1(0) ack 1", 1, "expected a time"),
        ("0 > . 1:1(0) ack 1\n+0 > . 1:5(3) ack 1", 2, "expected 4, from the length"),
        ("0 > . 1:1(0) ack", 1, "expected an acknowledgment number"),
        ("0 < X 1:1(0)", 1, "expected flags"),
        ("0 < S 1:1(0) <mss>", 1, "expected an MSS"),
        ("0 < S 1:1(0) win 70000", 1, "expected a window from 0 to 65535"),
        ("0 socket(..., 1 = 3", 1, "expected ','"),
        ("0 socket(...) 3", 1, "expected '='"),
        ("0 `sysctl", 1, "expected '`' at the end of a command"),
        ("0~+1 > . 1:1(0) ack 1", 1, "two times of one kind"),
        ("#ifdef A\n0 > . 1:1(0) ack 1", 2, "expected #endif"),
        ("#endif", 1, "expected an #ifdef"),
        ("// nothing\n", 1, "expected at least one event"),
        ("--mtu=many\n0 > . 1:1(0) ack 1", 1, "expected a value for --mtu"),
    ],
)
def test_a_malformed_script_is_told_where_and_what(text: str, line: int, words: str) -> None:
    """File, line, what was expected."""
    with pytest.raises(Malformed) as caught:
        parse(text, "x.pkt")
    assert (caught.value.path, caught.value.line) == ("x.pkt", line)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "0 > udp (100)",
        "0 < ipv4 1.1.1.1 > 2.2.2.2: . 1:1(0) ack 1",
        "--udp_encapsulation=sctp\n0 > . 1:1(0) ack 1",
    ],
)
def test_what_is_out_of_reach_is_no_fault_of_the_script(text: str) -> None:
    """Such a script is skipped with a reason."""
    with pytest.raises(Unsupported):
        parse(text)
