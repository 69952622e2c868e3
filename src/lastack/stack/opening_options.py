"""The options of a socket about how connections open: Fast Open, and what a SYN meets."""

import errno
from typing import Final

from lastack.errors import error_for
from lastack.stack import options as o
from lastack.stack.fast_open import KEY
from lastack.stack.more_options import Getter, Setter
from lastack.stack.option_base import SocketOptions, Value, number_in
from lastack.tcp.config import Config
from lastack.tcp.states import CLOSED
from lastack.units import SECOND

_MOST_TIMEOUTS: Final = 64


def _get_fast_open(socket: SocketOptions, now: int) -> Value:
    return socket.current().fast_open_backlog


def _set_fast_open(socket: SocketOptions, value: Value, now: int) -> None:
    """A listener's bound on early children; with FreeBSD's structure, its secret behind it."""
    if not _is_unopened(socket) or number_in(value) < 0:
        raise error_for(errno.EINVAL, "of a socket that is open, or below 0")
    config = socket.current().replace(fast_open_backlog=number_in(value))
    if isinstance(value, bytes) and len(value) >= 4 + KEY:
        config = config.replace(fast_open_psk=value[4 : 4 + KEY])
    socket.change(config, now)


def _get_fast_open_connect(socket: SocketOptions, now: int) -> Value:
    return int(socket.current().fast_open_connect)


def _set_fast_open_connect(socket: SocketOptions, value: Value, now: int) -> None:
    if not socket.stack.config.fast_open_client:
        raise error_for(errno.EOPNOTSUPP, "Fast Open is off")
    if (
        number_in(value) not in (0, 1)
        or socket.connection is not None
        or socket.listener is not None
    ):
        raise error_for(errno.EINVAL, "of a socket that is open, or no switch")
    socket.change(socket.current().replace(fast_open_connect=number_in(value) != 0), now)


def _get_no_cookie(socket: SocketOptions, now: int) -> Value:
    return int(not socket.current().fast_open_sends_cookie)


def _set_no_cookie(socket: SocketOptions, value: Value, now: int) -> None:
    """TCP_FASTOPEN_NO_COOKIE: a client shows none, a listener wants none."""
    if number_in(value) not in (0, 1) or not _is_unopened(socket):
        raise error_for(errno.EINVAL, "of a socket that is open, or no switch")
    wanted = number_in(value) == 0
    changed = socket.current().replace(fast_open_sends_cookie=wanted, fast_open_needs_cookie=wanted)
    socket.change(changed, now)


def _get_fast_open_key(socket: SocketOptions, now: int) -> Value:
    return socket.current().fast_open_key or socket.stack.fast_open.keys


def _set_fast_open_key(socket: SocketOptions, value: Value, now: int) -> None:
    if isinstance(value, int) or len(value) not in (KEY, 2 * KEY):
        raise error_for(errno.EINVAL, f"a key has {KEY} octets, two have {2 * KEY}")
    socket.change(socket.current().replace(fast_open_key=value), now)


def _get_defer(socket: SocketOptions, now: int) -> Value:
    return sum(_waits(socket.current())[: socket.current().defer_accept]) // SECOND


def _set_defer(socket: SocketOptions, value: Value, now: int) -> None:
    """Seconds, rounded up to whole timeouts of the SYN-ACK, as in Linux."""
    seconds = number_in(value)
    waits = _waits(socket.current())
    count = 0
    while count < len(waits) and sum(waits[:count]) < seconds * SECOND:
        count += 1
    socket.change(socket.current().replace(defer_accept=count), now)


def _waits(config: Config) -> list[int]:
    """Return how long each SYN-ACK waits for its answer (RFC 6298 5.5)."""
    return [min(config.initial_rto << i, config.max_rto) for i in range(_MOST_TIMEOUTS)]


def _get_save_syn(socket: SocketOptions, now: int) -> Value:
    return int(socket.current().save_syn)


def _set_save_syn(socket: SocketOptions, value: Value, now: int) -> None:
    if number_in(value) not in (0, 1):
        raise error_for(errno.EINVAL, "no switch: frames are not kept here")
    socket.change(socket.current().replace(save_syn=number_in(value) == 1), now)


def _get_saved_syn(socket: SocketOptions, now: int) -> Value:
    """The IP and TCP headers of the peer's SYN, once; b"" where there are none."""
    if socket.connection is None:
        return b""
    saved = socket.connection.tcb.saved_syn
    socket.connection.tcb.saved_syn = b""
    return saved


def _is_unopened(socket: SocketOptions) -> bool:
    return socket.connection is None or socket.connection.state is CLOSED


OPENING_ROWS: Final[dict[tuple[int, int], tuple[Getter, Setter | None]]] = {
    (o.IPPROTO_TCP, o.TCP_DEFER_ACCEPT): (_get_defer, _set_defer),
    (o.IPPROTO_TCP, o.TCP_SAVE_SYN): (_get_save_syn, _set_save_syn),
    (o.IPPROTO_TCP, o.TCP_SAVED_SYN): (_get_saved_syn, None),
    (o.IPPROTO_TCP, o.TCP_FASTOPEN): (_get_fast_open, _set_fast_open),
    (o.IPPROTO_TCP, o.TCP_FASTOPEN_CONNECT): (_get_fast_open_connect, _set_fast_open_connect),
    (o.IPPROTO_TCP, o.TCP_FASTOPEN_KEY): (_get_fast_open_key, _set_fast_open_key),
    (o.IPPROTO_TCP, o.TCP_FASTOPEN_NO_COOKIE): (_get_no_cookie, _set_no_cookie),
}
"""How to read them, how to set them (None: not at all)."""
