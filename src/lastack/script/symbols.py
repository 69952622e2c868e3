"""What the names in a script's system calls mean: Linux's numbers, errnos by name."""

import errno
from typing import Final

from lastack.script.model import ANYTHING, Anything, Array, Either, Expression, Name, Struct
from lastack.script.verdict import Mismatch
from lastack.stack import messages, options
from lastack.wire.address import pack_address

POLLIN: Final = 0x1
POLLPRI: Final = 0x2
POLLOUT: Final = 0x4
POLLERR: Final = 0x8
POLLHUP: Final = 0x10
POLLRDHUP: Final = 0x2000
EPOLLONESHOT: Final = 1 << 30
EPOLLET: Final = 1 << 31
O_RDWR: Final = 0x2
O_NONBLOCK: Final = 0x800
F_GETFL: Final = 3
F_SETFL: Final = 4
MSG_WAITALL: Final = 0x100
MSG_TRUNC: Final = 0x20

_OWN: Final = {
    "AF_INET": options.AF_INET,
    "PF_INET": options.AF_INET,
    "AF_INET6": options.AF_INET6,
    "PF_INET6": options.AF_INET6,
    "SOCK_DGRAM": 2,
    "SOCK_NONBLOCK": O_NONBLOCK,
    "SOCK_CLOEXEC": 0o2000000,
    "O_RDONLY": 0,
    "O_WRONLY": 1,
    "O_RDWR": O_RDWR,
    "O_NONBLOCK": O_NONBLOCK,
    "F_GETFL": F_GETFL,
    "F_SETFL": F_SETFL,
    "POLLIN": POLLIN,
    "POLLRDNORM": 0x40,
    "POLLPRI": POLLPRI,
    "POLLOUT": POLLOUT,
    "POLLWRNORM": 0x100,
    "POLLERR": POLLERR,
    "POLLHUP": POLLHUP,
    "POLLNVAL": 0x20,
    "POLLRDHUP": POLLRDHUP,
    "EPOLLIN": POLLIN,
    "EPOLLPRI": POLLPRI,
    "EPOLLOUT": POLLOUT,
    "EPOLLERR": POLLERR,
    "EPOLLHUP": POLLHUP,
    "EPOLLRDHUP": POLLRDHUP,
    "EPOLLEXCLUSIVE": 1 << 28,
    "EPOLLONESHOT": EPOLLONESHOT,
    "EPOLLET": EPOLLET,
    "EPOLL_CTL_ADD": 1,
    "EPOLL_CTL_DEL": 2,
    "EPOLL_CTL_MOD": 3,
    "MSG_WAITALL": MSG_WAITALL,
    "MSG_TRUNC": MSG_TRUNC,
    "SIOCINQ": 0x541B,
    "FIONREAD": 0x541B,
    "SIOCOUTQ": 0x5411,
    "SIOCATMARK": 0x8905,
    "FIONBIO": 0x5421,
    "SOL_TCP": options.IPPROTO_TCP,
    "SOL_IP": options.IPPROTO_IP,
    "SOL_IPV6": options.IPPROTO_IPV6,
    "IPPROTO_UDP": 17,
    **{f"IPTOS_DSCP_CS{n}": n << 5 for n in range(8)},
}
SIOCINQ: Final = 0x541B
SIOCOUTQ: Final = 0x5411
SIOCATMARK: Final = 0x8905
FIONBIO: Final = 0x5421


class Unknown(Exception):  # the script is skipped
    """A name that has no meaning here."""


def socket_endpoint(expression: Expression, port: int) -> tuple[bytes, Expression]:
    """Return the packed address and the port, still as written, of a `struct sockaddr`.

    `port` is what holds when none is written; raises Unknown for anything else than an address.
    """
    if not isinstance(expression, Struct):
        raise Unknown(f"the address {show(expression)}")
    fields = expression.fields
    text = fields.get("sin_addr", fields.get("sin6_addr"))
    if not isinstance(text, bytes):
        raise Unknown(f"the address {show(expression)}")
    return pack_address(text.decode()), fields.get("sin_port", fields.get("sin6_port", port))


def number(expression: Expression) -> int:
    """Return the number of an expression; raises Unknown for a name that there is not."""
    if isinstance(expression, int):
        return expression
    if isinstance(expression, Either):
        total = 0
        for part in expression.parts:
            total |= number(part)
        return total
    if isinstance(expression, Name):
        name = expression.text
        if name in _OWN:
            return _OWN[name]
        for module in (options, messages):
            value = getattr(module, name, None)
            if isinstance(value, int):
                return value
        code = getattr(errno, name, None)
        if isinstance(code, int) and name.startswith("E"):
            return code
        raise Unknown(f"the name {name}")
    if isinstance(expression, Array) and len(expression.items) == 1:
        return number(expression.items[0])
    raise Unknown(f"{show(expression)} for a number")


def show(expression: Expression) -> str:
    """Return an expression as a script has it."""
    if isinstance(expression, Anything):
        return "..."
    if isinstance(expression, Name):
        return expression.text
    if isinstance(expression, Either):
        return "|".join(show(part) for part in expression.parts)
    if isinstance(expression, Array):
        return "[" + ", ".join(show(item) for item in expression.items) + "]"
    if isinstance(expression, Struct):
        inner = ", ".join(f"{name}={show(value)}" for name, value in expression.fields.items())
        return "{" + inner + "}"
    return repr(expression)


def check(what: str, expected: Expression, actual: int) -> None:
    """Raise Mismatch when an output of a call is not the number that the script has."""
    if expected is ANYTHING:
        return
    if number(expected) != actual:
        raise Mismatch(f"{what} differs", show(expected), str(actual))


def errno_number(name: str) -> int:
    """Return 11 for EAGAIN and EWOULDBLOCK, -1 for a name that there is not here."""
    found = getattr(errno, name, -1)
    return found if isinstance(found, int) else -1


def errno_name(code: int) -> str:
    """Return EAGAIN for 11, and the number where it has no name."""
    return errno.errorcode.get(code, str(code))
