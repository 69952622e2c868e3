"""The runner: what it compares, when it waits, how it ends."""

from pathlib import Path

import pytest

from lastack.script import Outcome, Settings, Verdict, parse, run, run_file
from lastack.script.icmp import icmp_differences
from lastack.script.model import Header, IcmpSpec
from lastack.script.stage import Stage
from lastack.tcp.config import Config
from lastack.wire.ip4 import encode_ip4
from lastack.wire.packet import Packet

OPEN = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1460>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
"""


def play(text: str, **settings: object) -> Outcome:
    return run(parse(OPEN + text), Settings(**settings))  # type: ignore[arg-type]


def failed(text: str, **settings: object) -> Outcome:
    outcome = play(text, **settings)
    assert outcome.verdict is Verdict.FAILED, outcome.report()
    return outcome


def passed(text: str, **settings: object) -> None:
    outcome = play(text, **settings)
    assert outcome.verdict is Verdict.PASSED, outcome.report()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("> . 1:11(10) ack 1", "flags differ"),
        ("> P. 2:12(10) ack 1", "sequence numbers differ"),
        ("> P. 1:10(9) ack 1", "sequence numbers differ"),
        ("> P. 1:11(10) ack 2", "ack differ"),
        ("> P. 1:11(10) ack 1 win 1", "win differ"),
        ("> P. 1:11(10) ack 1 urg 1", "urg differ"),
        ("> P. 1:11(10) ack 1 <nop,nop,sackOK>", "options differ"),
        ("> [ce] P. 1:11(10) ack 1", "ECN differ"),
        ("> (ttl 9) P. 1:11(10) ack 1", "ttl differ"),
    ],
)
def test_every_field_of_a_segment_is_compared(line: str, reason: str) -> None:
    """Both sides stand in the outcome, and the trace ends with the segment."""
    outcome = failed(f"+0 write(4, ..., 10) = 10\n+0 {line}")
    assert outcome.reason == reason
    assert outcome.expected.endswith(line)
    assert "P. 1:11(10) ack 1" in outcome.actual
    assert outcome.line == 10
    assert "P. 1:11(10)" in outcome.trace[-1]


def test_a_segment_at_another_time_fails() -> None:
    """4 ms, or an eighth of the time that has passed."""
    outcome = failed("+0 write(4, ..., 10) = 10\n+.1 > P. 1:11(10) ack 1")
    assert outcome.reason == "the packet is sent at another time"
    passed("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n+1.1 > P. 1:11(10) ack 1")
    failed("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n+1.2 > P. 1:11(10) ack 1")
    passed("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n* > P. 1:11(10) ack 1")


def test_a_segment_that_never_comes_fails() -> None:
    """And says so."""
    assert failed("+0 > . 1:1(0) ack 1").reason == "the stack sends nothing"


def test_a_long_segment_of_the_script_may_come_in_pieces() -> None:
    """packetdrill: unless --strict_segments, a super-segment is what its pieces are."""
    text = "+0 write(4, ..., 2920) = 2920\n+0 > P. 1:2921(2920) ack 1"
    passed(text)
    outcome = run(parse("--strict_segments\n" + OPEN + text), Settings())
    assert outcome.verdict is Verdict.FAILED
    failed("+0 write(4, ..., 2920) = 2920\n+0 > . 1:2921(2920) ack 1")


def test_packets_that_the_script_does_not_name_are_forgiven_unless_told_otherwise() -> None:
    """A real packetdrill looks at them only when the next > comes."""
    text = "+0 write(4, ..., 10) = 10"
    passed(text)
    assert "more than the script says" in failed(text, all_packets=True).reason


@pytest.mark.parametrize(
    ("line", "expected", "actual"),
    [
        ("read(4, ..., 10) = 5", "= 5", "= -1 EAGAIN"),
        ("read(4, ..., 10) = -1 EPIPE (x)", "= -1 EPIPE", "= -1 EAGAIN"),
        ("write(4, ..., 10) = 9", "= 9", "= 10"),
        ("read(9, ..., 10) = 0", "= 0", "= -1 EBADF"),
        ("setsockopt(4, SOL_SOCKET, 99, [1], 4) = 0", "= 0", "= -1 ENOPROTOOPT"),
    ],
)
def test_results_and_errnos_are_compared(line: str, expected: str, actual: str) -> None:
    """Expected and actual side by side."""
    outcome = failed(f"+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 {line}")
    assert (outcome.expected, outcome.actual) == (expected, actual)


def test_outputs_of_calls_are_compared() -> None:
    """Options, counts of octets, events."""
    assert failed("+0 getsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], [4]) = 0").actual == "0"
    assert failed("+0 ioctl(4, SIOCINQ, [7]) = 0").expected == "[7]"
    assert "revents" in failed("+0 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 0) = 0").reason
    passed("+0 getsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=0, linger=0}, [8]) = 0")


def test_a_blocking_call_has_to_return_when_the_script_says() -> None:
    """Suspended in virtual time; start and end are checked."""
    passed("+0...0.2 read(4, ..., 10) = 10\n+.2 < P. 1:11(10) ack 1 win 100")
    wrong = failed("+0...0.1 read(4, ..., 10) = 10\n+.2 < P. 1:11(10) ack 1 win 100")
    assert "returns at another time" in wrong.reason and wrong.line == 9
    assert failed("+0...0.1 read(4, ..., 10) = 10").reason == "the call does not return"
    assert failed("+0 read(4, ..., 10) = 10").reason == "the call would block"


def test_the_result_of_a_call_may_be_left_open() -> None:
    """`= ?`"""
    passed("+0 write(4, ..., 10) = ?")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("+0 %{ import os }%", "Import in a snippet"),
        ("+0 `rm -rf x`", "the command 'rm -rf x'"),
        ("+0 `sysctl -w net.inet.tcp.blackhole=2`", "net.inet.tcp.blackhole=2"),
        ("+0 `sysctl -w net.no.such=2`", "the sysctl net.no.such"),
        ("+0 mmap(1) = 5", "the system call mmap"),
        ("+0 getsockopt(4, IPPROTO_TCP, TCP_ULP, [1], [4]) = 0", "the name TCP_ULP"),
    ],
)
def test_what_cannot_be_had_skips_the_script(line: str, reason: str) -> None:
    """Skipped with its reason, never passed."""
    outcome = play(line)
    assert (outcome.verdict, outcome.reason) == (Verdict.SKIPPED, reason)


def test_sysctls_of_both_systems_are_knobs() -> None:
    """And count for sockets made afterwards."""
    text = """
0 `sysctl -w net.inet.tcp.recvspace=5000; sysctl -q net.ipv4.tcp_timestamps=0`
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 getsockopt(3, SOL_SOCKET, SO_RCVBUF, [5000], [4]) = 0
+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (x)
+0 > S 0:0(0) win 5000 <mss 1460,nop,nop,sackOK,nop,wscale 0>
"""
    outcome = run(parse(text), Settings(preset="rfc"))
    assert outcome.verdict is Verdict.PASSED, outcome.report()


def test_states_are_counted_from_our_table() -> None:
    """The sockstat lines of the FreeBSD suite."""
    passed("+0 `sockstat -4 -P tcp -s | grep -c ESTABLISHED | grep 1`", preset="rfc")
    wrong = failed("+0 `sockstat -4 -P tcp -s | grep -c TIME_WAIT | grep 1`", preset="rfc")
    assert wrong.expected == "1 in TIME-WAIT" and "ESTABLISHED" in wrong.actual


def test_what_may_be_forgiven_is_forgiven() -> None:
    """--non_fatal=packet,syscall."""
    text = OPEN + "+0 write(4, ..., 10) = 9\n+0 > . 1:11(10) ack 1\n"
    assert run(parse(text), Settings()).verdict is Verdict.FAILED
    forgiving = run(parse("--non_fatal=packet,syscall\n" + text), Settings())
    assert forgiving.verdict is Verdict.PASSED


def test_options_as_a_set() -> None:
    """`semantic`: order and padding do not matter."""
    text = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (x)
+0 > S 0:0(0) <sackOK,wscale 5,TS val 1 ecr 0,mss 1460>
"""
    assert run(parse(text), Settings()).verdict is Verdict.FAILED
    assert run(parse(text), Settings(semantic=True)).verdict is Verdict.PASSED


def test_octets_are_checked_both_ways() -> None:
    """What was written must be what is sent; what was sent must be what is read."""
    passed('+0 write(4, "hello", 5) = 5\n+0 > P. 1:6(5) ack 1')
    passed("+0 < P. 11:21(10) ack 1 win 9\n+0 < P. 1:11(10) ack 1 win 9\n+0 read(4, ..., 99) = 20")


def test_a_file_that_is_none_fails_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Malformed, unreadable: an outcome each."""
    bad = tmp_path / "bad.pkt"
    bad.write_text("0 > what is this")
    assert run_file(str(bad), Settings()).reason.startswith("malformed: expected flags")
    assert run_file(str(tmp_path / "none.pkt"), Settings()).verdict is Verdict.FAILED


def test_the_same_seed_gives_the_same_trace() -> None:
    """Nothing but the seed is chance."""
    text = "+0 write(4, ..., 10) = 10\n+1 > P. 1:11(10) ack 1"
    assert failed(text).report() == failed(text).report()


def test_any_sequence_number_may_be_asked_for() -> None:
    """`...(10)`: the second dialect has it for a number that cannot be foretold."""
    passed("+0 write(4, ..., 10) = 10\n+0 > P. ...(10) ack 1")
    failed("+0 write(4, ..., 10) = 10\n+0 > P. ...(9) ack 1", all_packets=True)


def test_a_super_segment_may_have_psh_that_its_pieces_lack() -> None:
    """Linux sets PSH on what its device is to divide; the other way round is a difference."""
    passed("+0 write(4, ..., 9000) = 9000\n+0 > P. 1:2921(2920) ack 1")
    failed("+0 write(4, ..., 2920) = 2920\n+0 > . 1:2921(2920) ack 1")


def test_a_buffer_that_is_nowhere_is_a_bad_address() -> None:
    """EFAULT, for what would have moved octets."""
    passed("+0 write(4, NULL, 10) = -1 EFAULT (Bad address)")
    passed("+0 < P. 1:11(10) ack 1 win 9\n+0 recv(4, NULL, 10, 0) = -1 EFAULT (Bad address)")


def test_commands_that_ask_for_what_is_there_anyway_are_obeyed() -> None:
    """No pacing, nothing divided; a device that loses all it is given is another matter."""
    passed("+0 `ethtool -K tun0 tso off gso off; tc qdisc replace dev tun0 root pfifo`")
    outcome = play("+0 `tc qdisc add dev tun0 root pfifo limit 0`")
    assert outcome.verdict is Verdict.SKIPPED
    text = '0 `../common/set_sysctls.py /proc/sys/net/ipv4/tcp_wmem="4096 50000 4194304"`\n'
    text += "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
    text += "+0 getsockopt(3, SOL_SOCKET, SO_SNDBUF, [50000], [4]) = 0\n"
    assert run(parse(text), Settings(preset="rfc")).verdict is Verdict.PASSED


def test_icmp_that_the_stack_sends_is_waited_for() -> None:
    """By type and code; where none comes, that is a difference."""
    line = "+0 > icmp unreachable port_unreachable"
    assert failed(line).reason == "the stack sends nothing"


def test_icmp_that_the_stack_sends_is_compared() -> None:
    """A UDP datagram to nobody is answered: RFC 1122 3.2.2.1."""
    header = Header()
    stage = Stage(header, Config(), 1)
    head = encode_ip4(stage.remote, stage.local, 17, 8, 64)
    stage.stack.packet_arrives(Packet(head + bytes((0, 9, 0, 9, 0, 8, 0, 0))), stage.clock)
    stage.settle()
    message = stage.outbox.pop().message
    assert message is not None
    assert icmp_differences(IcmpSpec(False, "unreachable", "port_unreachable"), message) == []
    other = IcmpSpec(False, "unreachable", "host_unreachable")
    assert icmp_differences(other, message) == ["type or code"]
