"""The options of a socket: how a knob reaches a connection, and those that are more than a knob."""

import errno
from typing import Final

from lastack.errors import error_for
from lastack.stack import options as o
from lastack.stack.more_options import MORE_ROWS, Getter, Setter
from lastack.stack.opening_options import OPENING_ROWS
from lastack.stack.option_base import SocketOptions, Value, number_in
from lastack.stack.signing_options import with_ao_key, with_md5_key, without_ao_key
from lastack.stack.tcp_info import pack_idle_info, pack_info
from lastack.tcp.congestion import controller_class
from lastack.tcp.states import CLOSED, SYN_SENT
from lastack.units import NEVER, SECOND
from lastack.wire.ip4 import option_fault, source_route

_LONGEST_LINGER2: Final = 120


def get_option(socket: SocketOptions, level: int, name: int, now: int) -> Value:
    """Return an option's value; ENOPROTOOPT for one that there is not."""
    row = ROWS.get((level, name))
    if row is not None:
        return row[0](socket, now)
    knob = o.KNOBS.get((level, name))
    if knob is None:
        raise error_for(errno.ENOPROTOOPT, f"level {level}, option {name}")
    return knob.read(socket.current())


def set_option(socket: SocketOptions, level: int, name: int, value: Value, now: int) -> None:
    """Set an option; ENOPROTOOPT for one that there is not or that is only to be read, EINVAL.

    A number at the level of IPv4 may be a single octet, as BSD has had it.
    """
    if level == o.IPPROTO_IP and name != o.IP_OPTIONS and isinstance(value, bytes):
        value = value[0] if 0 < len(value) < 4 else value
    knob = o.KNOBS.get((level, name))
    if knob is not None:
        changed = knob.changed(socket.current(), number_in(value))
        if changed is None:
            raise error_for(errno.EINVAL, f"{value!r} is not between {knob.low} and {knob.high}")
        socket.change(changed, now)
        if (level, name) == (o.IPPROTO_TCP, o.TCP_NODELAY) and not changed.nagle:
            _push(socket, now)
        return
    row = ROWS.get((level, name))
    setter = row[1] if row is not None else None
    if setter is None:
        raise error_for(errno.ENOPROTOOPT, f"level {level}, option {name}")
    setter(socket, value, now)


def _push(socket: SocketOptions, now: int) -> None:
    """TCP_NODELAY also sends what TCP_CORK or MSG_MORE holds back, as Linux has it."""
    if socket.connection is not None:
        socket.connection.push()
        socket.stack.wake(socket.connection, now)


# SOL_SOCKET


def _get_reuse(socket: SocketOptions, now: int) -> Value:
    return int(socket.reuse)


def _set_reuse(socket: SocketOptions, value: Value, now: int) -> None:
    socket.reuse = number_in(value) != 0


def _get_error(socket: SocketOptions, now: int) -> Value:
    return socket.take_error()


def _get_linger(socket: SocketOptions, now: int) -> Value:
    return o.pack_linger(socket.linger is not None, socket.linger or 0)


def _set_linger(socket: SocketOptions, value: Value, now: int) -> None:
    linger = o.linger_of(value)
    if linger is None:
        raise error_for(errno.EINVAL, "not a struct linger")
    socket.linger = linger[1] if linger[0] else None


def _get_type(socket: SocketOptions, now: int) -> Value:
    return o.SOCK_STREAM


def _get_listening(socket: SocketOptions, now: int) -> Value:
    return int(socket.listener is not None)


def _get_protocol(socket: SocketOptions, now: int) -> Value:
    return o.IPPROTO_TCP


def _get_domain(socket: SocketOptions, now: int) -> Value:
    return socket.family


# IPPROTO_IP and IPPROTO_IPV6


def _get_tos(socket: SocketOptions, now: int) -> Value:
    return socket.current().dscp << 2


def _set_tos(socket: SocketOptions, value: Value, now: int) -> None:
    tos = number_in(value)
    if not 0 <= tos <= 255:
        raise error_for(errno.EINVAL, f"{tos} is not between 0 and 255")
    socket.change(socket.current().replace(dscp=tos >> 2), now)  # SHLD-21; the ECN bits are TCP's


def _get_ip_options(socket: SocketOptions, now: int) -> Value:
    return b"".join(socket.hops)


def _set_ip_options(socket: SocketOptions, value: Value, now: int) -> None:
    """A source route for connections to come (RFC 9293 3.9.2.1, MUST-51)."""
    if isinstance(value, int) or len(value) > 40 or option_fault(value) >= 0:
        raise error_for(errno.EINVAL, "no IP options")
    route = source_route(value)
    socket.hops = route.addresses if route is not None else ()


def _get_v6only(socket: SocketOptions, now: int) -> Value:
    return 1


def _set_v6only(socket: SocketOptions, value: Value, now: int) -> None:
    if number_in(value) == 0:
        raise error_for(errno.EINVAL, "an IPv6 socket takes no IPv4 connections here")


# IPPROTO_TCP


def _get_maxseg(socket: SocketOptions, now: int) -> Value:
    connection = socket.connection
    if connection is None or connection.state in (CLOSED, SYN_SENT):
        return socket.current().mss_limit or 536
    return connection.info(now).mss or 0


def _set_maxseg(socket: SocketOptions, value: Value, now: int) -> None:
    limit = number_in(value)
    if limit and not 88 <= limit <= 32767:
        raise error_for(errno.EINVAL, f"{limit} is not between 88 and 32767")
    socket.change(socket.current().replace(mss_limit=limit), now)


def _get_cork(socket: SocketOptions, now: int) -> Value:
    return int(socket.cork)


def _set_cork(socket: SocketOptions, value: Value, now: int) -> None:
    socket.cork = number_in(value) != 0
    if socket.connection is not None:
        socket.connection.cork = socket.cork
        socket.stack.wake(socket.connection, now)


def _get_linger2(socket: SocketOptions, now: int) -> Value:
    timeout = socket.current().fin_wait_2_timeout
    return -1 if timeout in (0, NEVER) else timeout // SECOND


def _set_linger2(socket: SocketOptions, value: Value, now: int) -> None:
    """Seconds in FIN-WAIT-2, two minutes at most; 0 for the host's, negative for none at all."""
    seconds = min(number_in(value), _LONGEST_LINGER2)
    timeout = 0 if seconds < 0 else seconds * SECOND or socket.stack.config.fin_wait_2_timeout
    socket.change(socket.current().replace(fin_wait_2_timeout=timeout), now)


def _get_info(socket: SocketOptions, now: int) -> Value:
    if socket.connection is not None:
        return pack_info(socket.connection.info(now))
    listener = socket.listener
    return pack_idle_info(
        listener is not None,
        len(listener.waiting) if listener is not None else 0,
        listener.backlog if listener is not None else 0,
    )


def _get_congestion(socket: SocketOptions, now: int) -> Value:
    named = socket.current().congestion
    return (named if isinstance(named, str) else named.__name__).encode()


def _set_congestion(socket: SocketOptions, value: Value, now: int) -> None:
    if isinstance(value, int):
        raise error_for(errno.EINVAL, "the name of an algorithm")
    name = value.rstrip(b"\0").decode("ascii", "replace")
    controller_class(name)
    socket.change(socket.current().replace(congestion=name), now)


def _get_md5(socket: SocketOptions, now: int) -> Value:
    return int(bool(socket.current().md5_keys))


def _set_md5(socket: SocketOptions, value: Value, now: int) -> None:
    """Linux gives a key; FreeBSD a switch, for the keys that the host has."""
    config = socket.current()
    if isinstance(value, int):
        keys = socket.stack.config.md5_keys if value else ()
        socket.change(config.replace(md5_keys=keys), now)
    else:
        socket.change(with_md5_key(config, value, False), now)


def _get_ao(socket: SocketOptions, now: int) -> Value:
    return len(socket.current().ao_keys)


def _add_ao_key(socket: SocketOptions, value: Value, now: int) -> None:
    socket.change(with_ao_key(socket.current(), _octets(value)), now)


def _delete_ao_key(socket: SocketOptions, value: Value, now: int) -> None:
    socket.change(without_ao_key(socket.current(), _octets(value)), now)


def _octets(value: Value) -> bytes:
    if isinstance(value, int):
        raise error_for(errno.EINVAL, "not a structure")
    return value


def _set_md5_prefix(socket: SocketOptions, value: Value, now: int) -> None:
    socket.change(with_md5_key(socket.current(), _octets(value), True), now)


def _get_udp_port(socket: SocketOptions, now: int) -> Value:
    return socket.current().udp_remote_port


def _set_udp_port(socket: SocketOptions, value: Value, now: int) -> None:
    """Only before anything else, and only where the host takes datagrams too."""
    port = number_in(value)
    connection = socket.connection
    opened = connection is not None and connection.state is not CLOSED
    if opened or socket.listener is not None or not 0 <= port < 65536:
        raise error_for(errno.EINVAL, f"{port} is not between 0 and 65535, or it is too late")
    if port and not socket.stack.config.udp_port:
        raise error_for(errno.EINVAL, "the host has no tunnelling port")
    socket.change(socket.current().replace(udp_remote_port=port), now)


ROWS: Final[dict[tuple[int, int], tuple[Getter, Setter | None]]] = {
    (o.SOL_SOCKET, o.SO_REUSEADDR): (_get_reuse, _set_reuse),
    (o.SOL_SOCKET, o.SO_ERROR): (_get_error, None),
    (o.SOL_SOCKET, o.SO_LINGER): (_get_linger, _set_linger),
    (o.SOL_SOCKET, o.SO_TYPE): (_get_type, None),
    (o.SOL_SOCKET, o.SO_ACCEPTCONN): (_get_listening, None),
    (o.SOL_SOCKET, o.SO_PROTOCOL): (_get_protocol, None),
    (o.SOL_SOCKET, o.SO_DOMAIN): (_get_domain, None),
    (o.IPPROTO_IP, o.IP_TOS): (_get_tos, _set_tos),
    (o.IPPROTO_IP, o.IP_OPTIONS): (_get_ip_options, _set_ip_options),
    (o.IPPROTO_IPV6, o.IPV6_TCLASS): (_get_tos, _set_tos),
    (o.IPPROTO_IPV6, o.IPV6_V6ONLY): (_get_v6only, _set_v6only),
    (o.IPPROTO_TCP, o.TCP_MAXSEG): (_get_maxseg, _set_maxseg),
    (o.IPPROTO_TCP, o.TCP_CORK): (_get_cork, _set_cork),
    (o.IPPROTO_TCP, o.TCP_LINGER2): (_get_linger2, _set_linger2),
    (o.IPPROTO_TCP, o.TCP_INFO): (_get_info, None),
    (o.IPPROTO_TCP, o.TCP_MD5SIG): (_get_md5, _set_md5),
    (o.IPPROTO_TCP, o.TCP_MD5SIG_EXT): (_get_md5, _set_md5_prefix),
    (o.IPPROTO_TCP, o.TCP_AO_ADD_KEY): (_get_ao, _add_ao_key),
    (o.IPPROTO_TCP, o.TCP_AO_DEL_KEY): (_get_ao, _delete_ao_key),
    (o.IPPROTO_TCP, o.TCP_REMOTE_UDP_ENCAPS_PORT): (_get_udp_port, _set_udp_port),
    (o.IPPROTO_TCP, o.TCP_CONGESTION): (_get_congestion, _set_congestion),
    **MORE_ROWS,
    **OPENING_ROWS,
}
"""The options that are more than a knob: how to read them, how to set them (None: not at all)."""
