"""The machine's kernel on the scene: we are the wire and the remote host, as packetdrill is."""

from lastack.script.live import LiveScene
from lastack.script.model import Header
from lastack.wire.packet import Packet
from lastack.wire.segment import SYN, URG, Segment
from lastack.wire.stop import Stop


class KernelScene(LiveScene):
    """The kernel behind a TUN device. `remote_isns` are ours, by (local, remote) port;
    `urgent` tells that urgent data has been sent: what is read is then not simply what came.

    Where a script counts super-segments (`strict_segments`), the device takes them whole.
    """

    def __init__(self, header: Header) -> None:
        super().__init__(header, True, header.strict_segments)
        self.urgent = False
        self.remote_isns: dict[tuple[int, int], int] = {}

    def deliver(
        self,
        segment: Segment,
        ttl: int = 64,
        tos: int = 0,
        udp: tuple[int, int] | None = None,
        signed: bool = False,
    ) -> Stop | None:
        """Hand a segment of the remote host to the kernel."""
        if segment.flags & URG:
            self.urgent = True
        if segment.flags & SYN:
            ports = (segment.destination_port, segment.source_port)
            self.remote_isns[ports] = (segment.seq - self.remote_offset) & 0xFFFFFFFF
        return super().deliver(segment, ttl, tos, udp, signed)

    def _hand_over(self, data: bytes) -> Stop | None:
        self.link.send(Packet(data))
        return None

    def _work(self) -> bool:
        # The tap has seen these packets; here they only make room.
        while self.link.receive() is not None:
            pass
        return False
