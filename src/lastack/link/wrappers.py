"""Links around links: a recorder, a counter and a filter. What is inside does not know."""

import os
import time
from collections.abc import Callable
from typing import BinaryIO

from lastack.link.base import Link
from lastack.wire.capture import INBOUND, LINKTYPE_RAW, OUTBOUND, CaptureWriter
from lastack.wire.checksum import finish
from lastack.wire.packet import Packet


class Wrapper(Link):
    """A link that passes everything on to another one, `inner`; subclasses do more."""

    inner: Link

    def __init__(self, inner: Link) -> None:
        self.inner = inner
        self.mtu = inner.mtu
        self.offload = inner.offload

    def fileno(self) -> int:
        """Return the descriptor of the inner link."""
        return self.inner.fileno()

    def receive(self) -> Packet | None:
        """Return the next packet of the inner link, or None."""
        return self.inner.receive()

    def send(self, packet: Packet) -> bool:
        """Send by the inner link."""
        return self.inner.send(packet)

    def close(self) -> None:
        """Close the inner link."""
        self.inner.close()


class Counted(Wrapper):
    """Counts the packets and octets that pass; a super-segment is one packet here."""

    packets_in: int
    packets_out: int
    octets_in: int
    octets_out: int
    refused: int
    """How often the inner link had no room."""

    def __init__(self, inner: Link) -> None:
        super().__init__(inner)
        self.packets_in = 0
        self.packets_out = 0
        self.octets_in = 0
        self.octets_out = 0
        self.refused = 0

    def receive(self) -> Packet | None:
        """Return the next packet, counted."""
        packet = self.inner.receive()
        if packet is not None:
            self.packets_in += 1
            self.octets_in += packet.length
        return packet

    def send(self, packet: Packet) -> bool:
        """Send and count a packet."""
        if not self.inner.send(packet):
            self.refused += 1
            return False
        self.packets_out += 1
        self.octets_out += packet.length
        return True


class Filtered(Wrapper):
    """Passes only the packets of which a predicate holds; without one, all of them.

    What is stopped is gone as on a lossy wire: `send` says True.
    """

    stopped_in: int
    stopped_out: int

    def __init__(
        self,
        inner: Link,
        predicate_in: Callable[[Packet], bool] | None = None,
        predicate_out: Callable[[Packet], bool] | None = None,
    ) -> None:
        super().__init__(inner)
        self.predicate_in = predicate_in
        self.predicate_out = predicate_out
        self.stopped_in = 0
        self.stopped_out = 0

    def receive(self) -> Packet | None:
        """Return the next packet that may pass."""
        while True:
            packet = self.inner.receive()
            if packet is None or self.predicate_in is None or self.predicate_in(packet):
                return packet
            self.stopped_in += 1

    def send(self, packet: Packet) -> bool:
        """Send the packet if it may pass."""
        if self.predicate_out is not None and not self.predicate_out(packet):
            self.stopped_out += 1
            return True
        return self.inner.send(packet)


class Recorded(Wrapper):
    """Records what passes in a pcapng file, given as a path or as an open binary file.

    Checksums that the device would make are filled in; a super-segment is one record, as it passed.
    `clock` gives nanoseconds since the epoch (or any other zero: a simulation gives its own).
    `close()` closes the file if it was given as a path, and the inner link.
    """

    clock: Callable[[], int]
    records: int
    _writer: CaptureWriter
    _file: BinaryIO
    _ours: bool

    def __init__(
        self,
        inner: Link,
        destination: str | os.PathLike[str] | BinaryIO,
        clock: Callable[[], int] = time.time_ns,
        name: str = "",
    ) -> None:
        super().__init__(inner)
        self.clock = clock
        self.records = 0
        self._ours = isinstance(destination, (str, os.PathLike))
        if isinstance(destination, (str, os.PathLike)):
            self._file = open(destination, "wb")  # noqa: SIM115 - closed by close()
        else:
            self._file = destination
        self._writer = CaptureWriter(self._file, LINKTYPE_RAW, name)

    def receive(self) -> Packet | None:
        """Return the next packet, recorded as inbound."""
        packet = self.inner.receive()
        if packet is not None:
            self._record(packet, INBOUND)
        return packet

    def send(self, packet: Packet) -> bool:
        """Send a packet and record it as outbound; what finds no room is not recorded yet."""
        if not self.inner.send(packet):
            return False
        self._record(packet, OUTBOUND)
        return True

    def flush(self) -> None:
        """Hand to the system what has been recorded."""
        self._writer.flush()

    def close(self) -> None:
        """End the recording and close the inner link; harmless when repeated."""
        if not self._file.closed:
            self._writer.flush()
            if self._ours:
                self._file.close()
        self.inner.close()

    def _record(self, packet: Packet, direction: int) -> None:
        if not self._file.closed:
            self._writer.write(finish(packet), self.clock(), direction)
            self.records += 1
