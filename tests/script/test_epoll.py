"""epoll: level and edge triggered sets."""

from lastack.script import Outcome, Settings, Verdict, parse, run

OPEN = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0 fcntl(4, F_SETFL, O_NONBLOCK) = 0
+0 epoll_create(1) = 5
"""


def play(text: str) -> Outcome:
    return run(parse(OPEN + text), Settings())


def passed(text: str) -> None:
    outcome = play(text)
    assert outcome.verdict is Verdict.PASSED, outcome.report()


def test_a_level_is_reported_as_long_as_it_lasts() -> None:
    """Readable until it has been read."""
    passed("""
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0
+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
+0 < P. 1:11(10) ack 1 win 65535
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1
+0 read(4, ..., 10) = 10
+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
+0 epoll_ctl(5, EPOLL_CTL_MOD, 4, {events=EPOLLIN|EPOLLRDHUP, fd=4}) = 0
+0 < F. 11:11(0) ack 1 win 65535
+0 epoll_wait(5, {events=EPOLLIN|EPOLLRDHUP, fd=4}, 1, 0) = 1
""")


def test_an_edge_is_reported_once() -> None:
    """New octets, not those that are left; room to write where there was none."""
    passed("""
+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [3000], 4) = 0
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLOUT|EPOLLET, fd=4}) = 0
+0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 1
+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
+0 < P. 1:11(10) ack 1 win 65535
+0 epoll_wait(5, {events=EPOLLIN|EPOLLOUT, fd=4}, 1, 0) = 1
+0 read(4, ..., 5) = 5
+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
+0 write(4, ..., 4000) = 3000
+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
+0 < . 11:11(0) ack 3001 win 65535
+0 epoll_wait(5, {events=EPOLLIN|EPOLLOUT, fd=4}, 1, 0) = 1
""")


def test_one_shot_and_deletion_end_the_reports() -> None:
    """And what is wrong has its errno."""
    passed("""
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLOUT|EPOLLONESHOT, fd=4}) = 0
+0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 1
+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLOUT, fd=4}) = -1 EEXIST (x)
+0 epoll_ctl(5, EPOLL_CTL_DEL, 4, NULL) = 0
+0 epoll_ctl(5, EPOLL_CTL_DEL, 4, NULL) = -1 ENOENT (x)
+0 epoll_ctl(5, EPOLL_CTL_ADD, 9, {events=EPOLLOUT, fd=9}) = -1 EBADF (x)
+0 epoll_wait(4, {events=0, ptr=0}, 1, 0) = -1 EINVAL (x)
+0 close(5) = 0
+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = -1 EBADF (x)
""")


def test_waiting_ends_with_the_event_or_the_time() -> None:
    """Suspended in virtual time, as any blocking call."""
    passed("""
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0
+0...0.1 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 1000) = 1
+.1 < P. 1:11(10) ack 1 win 65535
+0 read(4, ..., 10) = 10
+0...0.05 epoll_wait(5, {events=0, ptr=0}, 1, 50) = 0
""")
    wrong = play("""
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLOUT, fd=4}) = 0
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1
""")
    assert wrong.reason == "events of 4 differs"


def test_a_connection_to_be_accepted_is_an_edge() -> None:
    """A listening socket is readable then."""
    passed("""
+0 epoll_ctl(5, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLET, fd=3}) = 0
+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
+0 < 50000 > 8080 S 0:0(0) win 65535 <mss 1000>
+0 > 8080 > 50000 S. 0:0(0) ack 1 <mss 1460>
+0 < 50000 > 8080 . 1:1(0) ack 1 win 65535
+0 epoll_wait(5, {events=EPOLLIN, fd=3}, 1, 0) = 1
+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
""")
