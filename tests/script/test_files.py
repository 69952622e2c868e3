"""Files and pipes beside sockets, in memory: nothing of the machine's own is touched."""

from lastack.script import Settings, Verdict, run
from lastack.script.parse import parse

SERVER = """`dd bs=1 count=5 if=/dev/zero of=/five`
   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
  +0 bind(3, ..., ...) = 0
  +0 listen(3, 1) = 0
  +0 < S 0:0(0) win 65535 <mss 1000>
  +0 > S. 0:0(0) ack 1 <mss 1460>
 +.1 < . 1:1(0) ack 1 win 65535
  +0 accept(3, ..., ...) = 4
"""


def verdict(text: str) -> None:
    outcome = run(parse(SERVER + text), Settings())
    assert outcome.verdict is Verdict.PASSED, outcome.report()


def test_a_file_goes_out_from_where_it_is_or_from_an_offset() -> None:
    """sendfile(2): an offset that is given leaves the file's own alone."""
    verdict("""
  +0 open("/five", O_RDONLY) = 5
  +0 sendfile(4, 5, [3], 9) = 2
  +0 > P. 1:3(2) ack 1
 +.1 < . 1:1(0) ack 3 win 65535
  +0 sendfile(4, 5, NULL, 9) = 5
  +0 > P. 3:8(5) ack 1
  +0 sendfile(4, 5, NULL, 9) = 0
  +0 close(5) = 0
  +0 sendfile(4, 5, NULL, 9) = -1 EBADF (Bad file descriptor)
""")


def test_a_script_has_no_files_but_its_own() -> None:
    """Not even those that every machine has."""
    verdict('+0 open("/etc/passwd", O_RDONLY) = -1 ENOENT (No such file)')


def test_octets_pass_through_a_pipe_from_one_connection_and_back() -> None:
    """splice(2), both ways."""
    verdict("""
  +0 pipe([5, 6]) = 0
  +0 < P. 1:11(10) ack 1 win 65535
  +0 splice(4, NULL, 6, NULL, 99, 0) = 10
 +.1 > . 1:1(0) ack 11
  +0 splice(5, NULL, 4, NULL, 4, 0) = 4
  +0 > P. 1:5(4) ack 11
  +0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
  +0 splice(4, NULL, 6, NULL, 99, 0) = -1 EAGAIN (Resource temporarily unavailable)
""")
