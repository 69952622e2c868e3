"""Between a script's numbers and those on the wire."""

import pytest

from lastack.script import Settings, Verdict, parse, run

PASSIVE = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 999:999(0) win 65535 <mss 1460,sackOK>
+0 > S. 7000:7000(0) ack 1000 <mss 1460,nop,nop,sackOK>
+0 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0 < P. 11:21(10) ack 1 win 65535
+0 > . 1:1(0) ack 1 <nop,nop,sack 11:21>
+0 < P. 1:11(10) ack 1 win 65535
+0 > . 1:1(0) ack 21
+0 read(4, ..., 100) = 20
+0 write(4, ..., 10) = 10
+0 > P. 1:11(10) ack 21
"""

ACTIVE = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0...0.01 connect(3, ..., ...) = 0
+0 > S 50:50(0) <...>
+.01 < S. 999:999(0) ack 51 win 65535 <mss 1460>
+0 > . 1:1(0) ack 1
+0 < P. 1:11(10) ack 1 win 65535
+0 read(3, ..., 100) = 10
"""


@pytest.mark.parametrize("moved", [0, 0xFFFFFC00])
@pytest.mark.parametrize("text", [PASSIVE, ACTIVE], ids=["passive", "active"])
def test_a_syn_has_its_own_number_and_the_rest_counts_from_it(text: str, moved: int) -> None:
    """As packetdrill has it: after a SYN of 999 the first octet is 1, SACK blocks too."""
    outcome = run(parse(text), Settings(remote_isn=moved))
    assert outcome.verdict is Verdict.PASSED, outcome.report()


def test_a_later_syn_does_not_begin_a_new_count() -> None:
    """A second SYN on a connection is one more segment of it."""
    text = PASSIVE + "+.1 < S 5000:5000(0) win 100\n+0 > . 11:11(0) ack 21\n"
    outcome = run(parse(text.replace("999", "0").replace("1000", "1")), Settings())
    assert outcome.verdict is Verdict.PASSED, outcome.report()
