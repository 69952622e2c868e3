"""How much Linux takes from a user who does not wait, and how much the preset `linux` takes.

The figures were measured on Linux 6.18: one write of 610,000 octets to a connection that has just
been established, with that SO_SNDBUF and that offer of the peer.
"""

import pytest

from lastack.script import Settings, Verdict, run
from lastack.script.parse import parse

SERVER = """
   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
  +0 bind(3, ..., ...) = 0
  +0 listen(3, 1) = 0
 +.1 < S 0:0(0) win {window} <mss {mss},nop,wscale {scale}>
  +0 > S. 0:0(0) ack 1 <...>
 +.1 < . 1:1(0) ack 1 win {window}
  +0 accept(3, ..., ...) = 4
  +0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
  +0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [{buffer}], 4) = 0
  +0 write(4, ..., 610000) = {taken}
"""


@pytest.mark.parametrize(
    ("window", "scale", "mss", "buffer", "taken"),
    [
        (50000, 0, 1000, 5000, 35000),
        (50000, 0, 1000, 21000, 60000),
        (50000, 0, 1000, 42000, 85000),
        (65535, 7, 1000, 21000, 75000),
        (65535, 7, 1460, 21000, 78840),
        (65535, 7, 1460, 100000, 207320),
    ],
)
def test_the_preset_takes_what_the_kernel_takes(
    window: int, scale: int, mss: int, buffer: int, taken: int
) -> None:
    """Pieces of half the peer's window, each with an overhead, until the sum has reached twice
    SO_SNDBUF; what has gone out within the call makes room in the last piece."""
    text = SERVER.format(window=window, scale=scale, mss=mss, buffer=buffer, taken=taken)
    outcome = run(parse(text), Settings("linux"))
    assert outcome.verdict is Verdict.PASSED, outcome.report()


def test_the_default_bounds_the_octets_alone() -> None:
    """The preset `rfc`: the buffer's size is what it takes, and what has gone out stays in it."""
    text = SERVER.format(window=50000, scale=0, mss=1000, buffer=21000, taken=21000)
    outcome = run(parse(text), Settings("rfc"))
    assert outcome.verdict is Verdict.PASSED, outcome.report()


def test_a_writer_who_waits_goes_on_when_two_thirds_of_the_limit_do() -> None:
    """30,000 octets and their pieces are more than 28,000 of 42,000; 24,000 are less."""
    text = SERVER.format(window=50000, scale=0, mss=1000, buffer=21000, taken=60000)
    text += """
 +.1 < . 1:1(0) ack 10001 win 50000
 +.1 < . 1:1(0) ack 30001 win 50000
  +0 poll([{fd=4, events=POLLOUT, revents=0}], 1, 0) = 0
 +.1 < . 1:1(0) ack 36001 win 50000
  +0 poll([{fd=4, events=POLLOUT, revents=POLLOUT}], 1, 0) = 1
"""
    outcome = run(parse(text), Settings("linux"))
    assert outcome.verdict is Verdict.PASSED, outcome.report()
