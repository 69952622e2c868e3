"""What every option of a socket works on: the Config that counts, and what there is of it."""

import errno

from lastack.errors import error_for
from lastack.stack import options as o
from lastack.stack.listener import Listener
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.reports import ErrorReport

Value = int | bytes


class SocketOptions:
    """What can be set on a socket, whatever it is at the moment.

    `config` counts until there is a connection, which then has its own; a listener's is that of
    its children. `linger` is None, or (SO_LINGER on) the seconds that a close may take.
    `notsent_lowat` is TCP_NOTSENT_LOWAT as it was set, 0 for the host's.
    `free_bind` is IP_FREEBIND, `tells_inq` TCP_INQ, `stamping` SO_TIMESTAMPING,
    `zerocopy` SO_ZEROCOPY.
    """

    stack: Stack
    family: int
    config: Config
    connection: Connection | None
    listener: Listener | None
    reuse: bool
    cork: bool
    linger: int | None
    reuse_port: bool
    notsent_lowat: int
    hops: tuple[bytes, ...]
    free_bind: bool
    tells_inq: bool
    stamping: int
    zerocopy: bool
    _reports: list[ErrorReport]

    def __init__(self, stack: Stack, family: int, config: Config) -> None:
        self.stack = stack
        self.family = family
        self.config = config
        self.connection = None
        self.listener = None
        self.reuse = False
        self.cork = False
        self.linger = None
        self.reuse_port = False
        self.notsent_lowat = 0
        self._reports = []
        self.hops = ()
        self.free_bind = False
        self.tells_inq = False
        self.stamping = 0
        self.zerocopy = False

    def current(self) -> Config:
        """Return the Config that counts now."""
        return self.config if self.connection is None else self.connection.config

    def change(self, config: Config, now: int) -> None:
        """Let another Config count from now on."""
        self.config = config
        if self.listener is not None:
            self.listener.config = config
        if self.connection is not None:
            self.stack.reconfigure(self.connection, config, now)

    def take_error(self) -> int:
        """Return the pending error and clear it."""
        if self.connection is None:
            return 0
        code = self.connection.error
        self.connection.error = 0
        return code

    @property
    def reports(self) -> list[ErrorReport]:
        """What ICMP errors have said of the connection, where IP_RECVERR asks for it."""
        return self._reports if self.connection is None else self.connection.tcb.error_reports()


def number_in(value: Value) -> int:
    """Return an option's value as a number; EINVAL for octets that are too short to be one."""
    number = o.int_of(value)
    if number is None:
        raise error_for(errno.EINVAL, "not a number")
    return number
