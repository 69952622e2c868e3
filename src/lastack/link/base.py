"""The link: where packets come from and go to. It never blocks and never parses."""

from abc import ABC, abstractmethod
from typing import Final

from mypy_extensions import mypyc_attr

from lastack.wire.packet import Packet


class Offload:
    """What the device does for us.

    `checksum`: it finishes checksums that we leave owed. `tso4`, `tso6`: it cuts super-segments of
    up to `max_size` octets (headers included) into segments.
    """

    checksum: bool
    tso4: bool
    tso6: bool
    max_size: int

    def __init__(
        self, checksum: bool = False, tso4: bool = False, tso6: bool = False, max_size: int = 65535
    ) -> None:
        self.checksum = checksum
        self.tso4 = tso4
        self.tso6 = tso6
        self.max_size = max_size


NO_OFFLOAD: Final = Offload()


@mypyc_attr(allow_interpreted_subclasses=True)
class Link(ABC):
    """A device or a carrier; `mtu` in octets of IP packet."""

    mtu: int
    offload: Offload

    @abstractmethod
    def fileno(self) -> int:
        """Return the descriptor to wait on, or -1 where there is none."""

    @abstractmethod
    def receive(self) -> Packet | None:
        """Return the next packet that has come, or None when there is none now.

        Raises OSError when the device is gone.
        """

    @abstractmethod
    def send(self, packet: Packet) -> bool:
        """Take one packet; False means that there is no room: keep it and try again later.

        Raises OSError when the device is gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the device back; harmless when repeated."""
