"""Options of how a socket reads, writes and shares: low-water marks, clamps, ports, errors."""

import errno
from collections.abc import Callable
from typing import Final

from lastack.errors import error_for
from lastack.stack import options as o
from lastack.stack.demux import key_of
from lastack.stack.messages import SOF_TIMESTAMPING_OPT_ID, watch
from lastack.stack.on_path import look_at_path
from lastack.stack.option_base import SocketOptions, Value, number_in
from lastack.tcp.autotune import send_limit
from lastack.tcp.config import UNLIMITED
from lastack.tcp.states import CLOSED
from lastack.units import MS, NEVER

_LEAST_CLAMP: Final = 1152
"""Half of Linux's smallest receive buffer."""
_HOPS: Final = 64


def _get_send_buffer(socket: SocketOptions, now: int) -> Value:
    """Return what was asked for (in Linux twice that), or what it has grown to since."""
    config, connection = socket.current(), socket.connection
    asked = 2 * config.send_buffer if config.double_buffers else config.send_buffer
    if connection is None or not config.send_most:
        return asked
    return max(asked, send_limit(connection.tcb, asked))


def _get_receive_buffer(socket: SocketOptions, now: int) -> Value:
    """Return what was asked for (in Linux twice that), or what it has grown to since."""
    config, connection = socket.current(), socket.connection
    size = config.receive_buffer
    if connection is not None and config.receive_most:
        size = connection.tcb.rcv.capacity
    return 2 * size if config.double_buffers else size


def _get_reuse_port(socket: SocketOptions, now: int) -> Value:
    return int(socket.reuse_port)


def _set_reuse_port(socket: SocketOptions, value: Value, now: int) -> None:
    """Share the port with other sockets that say so before they bind."""
    socket.reuse_port = number_in(value) != 0


def _get_not_sent(socket: SocketOptions, now: int) -> Value:
    return socket.notsent_lowat


def _set_not_sent(socket: SocketOptions, value: Value, now: int) -> None:
    """Unsigned, 0 for what the host has."""
    socket.notsent_lowat = number_in(value) & UNLIMITED
    low_water = socket.notsent_lowat or socket.stack.config.notsent_lowat
    socket.change(socket.current().replace(notsent_lowat=low_water), now)


def _get_read_low_water(socket: SocketOptions, now: int) -> Value:
    return socket.current().read_lowat


def _set_read_low_water(socket: SocketOptions, value: Value, now: int) -> None:
    """At most half the buffer, which grows with it where nobody has set its size."""
    asked = number_in(value)
    config = socket.current()
    most = max(config.receive_buffer // 2, config.receive_most // 2, 1)
    low_water = min(asked, most) if asked >= 0 else most
    size = config.receive_buffer
    if config.receive_most:
        size = max(size, 2 * low_water)
    socket.change(config.replace(read_lowat=low_water or 1, receive_buffer=size), now)


def _get_write_low_water(socket: SocketOptions, now: int) -> Value:
    return 1


def _get_clamp(socket: SocketOptions, now: int) -> Value:
    return socket.current().window_clamp


def _set_clamp(socket: SocketOptions, value: Value, now: int) -> None:
    """0 takes the clamp away, before there is a connection only."""
    clamp = number_in(value)
    connection = socket.connection
    if clamp == 0 and connection is not None and connection.state is not CLOSED:
        raise error_for(errno.EINVAL, "a connection keeps its clamp")
    clamp = max(clamp, _LEAST_CLAMP) if clamp else 0
    socket.change(socket.current().replace(window_clamp=clamp), now)


def _get_timestamp(socket: SocketOptions, now: int) -> Value:
    """Return what TSval would be now."""
    if socket.connection is None:
        return now // MS & UNLIMITED
    return socket.connection.tcb.timestamp(now)


def _set_timestamp(socket: SocketOptions, value: Value, now: int) -> None:
    """The clock is for those alone who repair connections."""
    raise error_for(errno.EPERM)


def _get_report_errors(socket: SocketOptions, now: int) -> Value:
    return int(socket.current().report_errors)


def _set_report_errors(socket: SocketOptions, value: Value, now: int) -> None:
    """Off throws away what waits, as in Linux."""
    wanted = number_in(value) != 0
    if not wanted:
        socket.reports.clear()
    socket.change(socket.current().replace(report_errors=wanted), now)


def _get_hops(socket: SocketOptions, now: int) -> Value:
    return socket.current().ttl


def _set_hops(socket: SocketOptions, value: Value, now: int) -> None:
    """TTL or hop limit of what is sent (MUST-49); -1 is the default."""
    hops = number_in(value)
    if hops == -1:
        hops = _HOPS
    if not 1 <= hops <= 255:
        raise error_for(errno.EINVAL, f"{hops} is not between 1 and 255")
    socket.change(socket.current().replace(ttl=hops), now)


def _get_quick_ack(socket: SocketOptions, now: int) -> Value:
    return int(not socket.current().delayed_ack)


def _set_quick_ack(socket: SocketOptions, value: Value, now: int) -> None:
    """On also sends the ACK that is being delayed."""
    quick = number_in(value) != 0
    socket.change(socket.current().replace(delayed_ack=not quick), now)
    connection = socket.connection
    if quick and connection is not None and connection.tcb.timers.delayed_ack != NEVER:
        connection.tcb.ack_now = True
        socket.stack.wake(connection, now)


def _get_path_mtu(socket: SocketOptions, now: int) -> Value:
    """Return the path's MTU as it is known now."""
    connection = socket.connection
    if connection is None or connection.state is CLOSED:
        raise error_for(errno.ENOTCONN)
    slot = socket.stack.demux.slots.get(key_of(connection.local, connection.remote))
    if slot is not None and slot.connection is connection:
        look_at_path(socket.stack, slot, now)
    return connection.tcb.mtu


def _get_timestamping(socket: SocketOptions, now: int) -> Value:
    return socket.stamping


def _set_timestamping(socket: SocketOptions, value: Value, now: int) -> None:
    flags = number_in(value)
    if socket.connection is not None:
        watch(socket.connection, flags)
    elif flags & SOF_TIMESTAMPING_OPT_ID:
        raise error_for(errno.EINVAL, "numbers of octets before there are any")
    socket.stamping = flags


def _get_zerocopy(socket: SocketOptions, now: int) -> Value:
    return int(socket.zerocopy)


def _set_zerocopy(socket: SocketOptions, value: Value, now: int) -> None:
    wanted = number_in(value)
    if wanted not in (0, 1):
        raise error_for(errno.EINVAL, f"{wanted} is neither 0 nor 1")
    socket.zerocopy = wanted == 1


def _get_free_bind(socket: SocketOptions, now: int) -> Value:
    return int(socket.free_bind)


def _set_free_bind(socket: SocketOptions, value: Value, now: int) -> None:
    socket.free_bind = number_in(value) != 0


def _get_inq(socket: SocketOptions, now: int) -> Value:
    return int(socket.tells_inq)


def _set_inq(socket: SocketOptions, value: Value, now: int) -> None:
    wanted = number_in(value)
    if wanted not in (0, 1):
        raise error_for(errno.EINVAL, f"{wanted} is neither 0 nor 1")
    socket.tells_inq = wanted == 1


Getter = Callable[[SocketOptions, int], Value]
Setter = Callable[[SocketOptions, Value, int], None]

MORE_ROWS: Final[dict[tuple[int, int], tuple[Getter, Setter | None]]] = {
    (o.SOL_SOCKET, o.SO_SNDBUF): (_get_send_buffer, None),
    (o.SOL_SOCKET, o.SO_RCVBUF): (_get_receive_buffer, None),
    (o.SOL_SOCKET, o.SO_REUSEPORT): (_get_reuse_port, _set_reuse_port),
    (o.SOL_SOCKET, o.SO_RCVLOWAT): (_get_read_low_water, _set_read_low_water),
    (o.SOL_SOCKET, o.SO_SNDLOWAT): (_get_write_low_water, None),
    (o.SOL_SOCKET, o.SO_TIMESTAMPING): (_get_timestamping, _set_timestamping),
    (o.SOL_SOCKET, o.SO_ZEROCOPY): (_get_zerocopy, _set_zerocopy),
    (o.IPPROTO_IP, o.IP_FREEBIND): (_get_free_bind, _set_free_bind),
    (o.IPPROTO_IP, o.IP_TTL): (_get_hops, _set_hops),
    (o.IPPROTO_IP, o.IP_MTU): (_get_path_mtu, None),
    (o.IPPROTO_IP, o.IP_RECVERR): (_get_report_errors, _set_report_errors),
    (o.IPPROTO_IPV6, o.IPV6_UNICAST_HOPS): (_get_hops, _set_hops),
    (o.IPPROTO_IPV6, o.IPV6_MTU): (_get_path_mtu, None),
    (o.IPPROTO_IPV6, o.IPV6_RECVERR): (_get_report_errors, _set_report_errors),
    (o.IPPROTO_TCP, o.TCP_NOTSENT_LOWAT): (_get_not_sent, _set_not_sent),
    (o.IPPROTO_TCP, o.TCP_WINDOW_CLAMP): (_get_clamp, _set_clamp),
    (o.IPPROTO_TCP, o.TCP_QUICKACK): (_get_quick_ack, _set_quick_ack),
    (o.IPPROTO_TCP, o.TCP_INQ): (_get_inq, _set_inq),
    (o.IPPROTO_TCP, o.TCP_TIMESTAMP): (_get_timestamp, _set_timestamp),
}
"""Some of the options that are more than a knob; `socket_options` has the others."""
