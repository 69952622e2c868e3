"""A path that is narrower than the links at its ends: whatever is too long does not get through."""

from lastack.link.base import NO_OFFLOAD, Offload
from lastack.sim.pair import TwoHosts
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.units import MS
from lastack.wire.address import pack_address
from lastack.wire.icmp import IcmpKind, error4, error6
from lastack.wire.ip4 import encode_ip4
from lastack.wire.ip6 import encode_ip6
from lastack.wire.packet import Packet

ENDS = {4: ("10.0.0.1/24", "10.0.0.2/24"), 6: ("fd00::1/64", "fd00::2/64")}
ROUTERS = {4: pack_address("10.0.0.9"), 6: pack_address("fd00::9")}


class NarrowPath:
    """Two hosts on links of `link` octets and, between them, a hop of `mtu`.

    With `answers` its router sends ICMP; without, it is silent. `swallowed` counts.
    """

    def __init__(
        self,
        version: int,
        mtu: int,
        answers: bool,
        config: Config,
        link: int = 1500,
        offload: Offload = NO_OFFLOAD,
        delay: int = 10 * MS,
    ) -> None:
        self.mtu = mtu
        self.answers = answers
        self.swallowed = 0
        self.says = 0
        self.longest = 0
        left, right = ENDS[version]
        self.pair = TwoHosts(
            drop=self.drops,
            config=config.replace(strict=True),
            left_address=left,
            right_address=right,
            mtu=link,
            left_offload=offload,
            right_offload=offload,
            delay=delay,
        )

    def drops(self, from_a: bool, number: int, packet: Packet) -> bool:
        """Whether one packet, or the segments of a super-segment, are too long."""
        length = packet.length
        if packet.gso_size:
            ip = 20 if packet.version == 4 else 40
            length = ip + (packet.data[packet.start + ip + 12] >> 4) * 4 + packet.gso_size
        fragments = packet.version == 4 and not packet.data[packet.start + 6] & 0x40
        if length <= self.mtu or fragments:
            self.longest = max(self.longest, length)
            return False
        self.swallowed += 1
        if self.answers:
            stack = self.pair.left if from_a else self.pair.right
            told = self.complaint(packet)
            self.pair.at(self.pair.now + 2 * MS, lambda: self._arrives(stack, told))
        return True

    def _arrives(self, stack: Stack, packet: Packet) -> None:
        stack.packet_arrives(packet, self.pair.now)

    def complaint(self, packet: Packet) -> Packet:
        """What a router says of a packet that is too long."""
        data = packet.to_bytes()
        mtu = self.says or self.mtu
        if packet.version == 4:
            body = error4(IcmpKind.PACKET_TOO_BIG, 4, mtu, data)
            return Packet(encode_ip4(ROUTERS[4], data[12:16], 1, len(body)) + body)
        body = error6(IcmpKind.PACKET_TOO_BIG, 0, mtu, data, ROUTERS[6], data[8:24])
        return Packet(encode_ip6(ROUTERS[6], data[8:24], 58, len(body)) + body)
