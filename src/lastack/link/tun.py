"""A TUN device: IP packets from and to the kernel, super-segments where the device allows them.

The device is opened with a virtio header in front of each packet (Linux's if_tun.h, virtio 1.2,
5.1.6): the kernel then leaves checksums to us and we to it, and both sides may hand over
super-segments of up to 64 KiB. Where that is refused, the device is a plain one.
"""

import errno
import os
import select
import socket
import struct
from fcntl import ioctl
from typing import Final

from lastack.errors import DeviceUnavailable, device_error
from lastack.link.base import NO_OFFLOAD, Link, Offload
from lastack.wire.packet import (
    CHECKSUM_OWED,
    CHECKSUM_PRESENT,
    CHECKSUM_TRUSTED,
    Packet,
)

DEVICE: Final = "/dev/net/tun"

IFF_TUN: Final = 0x0001
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000
TUNSETIFF: Final = 0x400454CA
TUNSETOFFLOAD: Final = 0x400454D0
TUNSETVNETHDRSZ: Final = 0x400454D8
SIOCSIFTXQLEN: Final = 0x8943
TUN_F_CSUM: Final = 0x01
TUN_F_TSO4: Final = 0x02
TUN_F_TSO6: Final = 0x04
TUN_F_TSO_ECN: Final = 0x08

VIRTIO_HEADER: Final = struct.Struct("=BBHHHH")
"""flags, GSO type, length of the headers, GSO size, checksum start, checksum offset."""
VIRTIO_SIZE: Final = 10
NEEDS_CHECKSUM: Final = 1
DATA_VALID: Final = 2
GSO_TCPV4: Final = 1
GSO_TCPV6: Final = 4

_NOTHING_OWED: Final = bytes(VIRTIO_SIZE)
_OWED_V4: Final = VIRTIO_HEADER.pack(NEEDS_CHECKSUM, 0, 0, 0, 20, 16)
_OWED_V6: Final = VIRTIO_HEADER.pack(NEEDS_CHECKSUM, 0, 0, 0, 40, 16)
_TRUSTED: Final = VIRTIO_HEADER.pack(DATA_VALID, 0, 0, 0, 0, 0)
_MOST_HEADERS: Final = 4096

_BIGGEST: Final = 65535 + VIRTIO_SIZE

_read: Final = os.read
_write: Final = os.write
_writev: Final = os.writev


class TunLink(Link):
    """A TUN device, made when there is none of that name; unless persistent it ends with `close()`.

    An empty `name` lets the kernel choose one; `name` then holds it. `queue`, where not 0, is how
    many packets the kernel keeps for us at most (it needs privilege, as making the device does).
    `refused` counts packets that the kernel would not take (the device is down, the packet
    malformed); they are lost as on any wire. Raises DeviceUnavailable.
    """

    name: str
    refused: int
    _descriptor: int
    _virtio: bool
    _headers: dict[int, bytes]
    _poller: select.poll
    _batch: int
    """Packets read since the device was last empty."""
    _last_batch: int

    def __init__(
        self, name: str = "", mtu: int = 1500, offload: bool = True, queue: int = 0
    ) -> None:
        self.mtu = mtu
        self.offload = NO_OFFLOAD
        self.name = name
        self.refused = 0
        self._virtio = False
        self._headers = {}
        self._poller = select.poll()
        self._batch = 0
        self._last_batch = 0
        self._descriptor = _open_device()
        keep_freed_memory()
        try:
            self._attach(offload)
            if queue > 0:
                set_queue_length(self.name, queue)
            self._poller.register(self._descriptor, select.POLLIN)
        except BaseException:
            self.close()
            raise

    def _attach(self, offload: bool) -> None:
        """Join the device, with as much offload as it allows."""
        if offload and self._join(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR):
            self._virtio = True
            try:
                ioctl(self._descriptor, TUNSETVNETHDRSZ, struct.pack("=i", VIRTIO_SIZE))
                # With TSO_ECN the kernel hands over super-segments with CWR too; ours have none.
                features = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN
                ioctl(self._descriptor, TUNSETOFFLOAD, features)
            except OSError:
                return
            self.offload = Offload(checksum=True, tso4=True, tso6=True)
        else:
            self._join(IFF_TUN | IFF_NO_PI)

    def _join(self, flags: int) -> bool:
        """Return False when the kernel knows no such flags; raises DeviceUnavailable otherwise."""
        encoded = self.name.encode()
        if len(encoded) > 15 or b"/" in encoded or encoded in (b".", b".."):
            raise device_error(
                errno.EINVAL, f"{self.name!r} is no name for a device: choose at most 15 letters"
            )
        try:
            answer = ioctl(self._descriptor, TUNSETIFF, struct.pack("16sH22x", encoded, flags))
        except OSError as error:
            if error.errno == errno.EINVAL and flags & IFF_VNET_HDR:
                return False
            raise _join_error(error.errno or 0, self.name) from None
        self.name = answer[:16].rstrip(b"\0").decode()
        return True

    def fileno(self) -> int:
        """Return the descriptor of the device, -1 once closed."""
        return self._descriptor

    def receive(self) -> Packet | None:
        """Return the next packet from the kernel, or None; nothing of it is copied."""
        # An empty read raises, which costs three times a poll. So where the last batch ended, we
        # look first; with batches of one, which is how requests come, that saves every exception.
        if self._batch == self._last_batch and self._batch and not self._poller.poll(0):
            self._batch = 0
            return None
        try:
            data = _read(self._descriptor, _BIGGEST)
        except BlockingIOError:
            self._last_batch = self._batch
            self._batch = 0
            return None
        except OSError as error:
            raise self._gone(error.errno or 0) from None
        self._batch += 1
        if not self._virtio:
            return Packet(data)
        if len(data) <= VIRTIO_SIZE:
            return None
        flags = data[0]
        if flags == 0 and data[1] == 0:
            return Packet(data, VIRTIO_SIZE)
        return _with_virtio_header(data, flags)

    def send(self, packet: Packet) -> bool:
        """Hand one packet to the kernel; False when it has no memory or room for it now."""
        data = packet.data
        if packet.start != 0 or packet.end != len(data):
            data = data[packet.start : packet.end]
        parts = packet.parts
        try:
            if self._virtio:
                header = _NOTHING_OWED
                if packet.checksum == CHECKSUM_OWED:
                    header = self._header(packet, len(data))
                elif packet.checksum == CHECKSUM_TRUSTED:
                    header = _TRUSTED
                if parts:
                    _writev(self._descriptor, [header, data, *parts])
                else:
                    _write(self._descriptor, header + data)
            elif parts:
                _writev(self._descriptor, [data, *parts])
            else:
                _write(self._descriptor, data)
        except BlockingIOError:
            return False
        except OSError as error:
            return self._send_failed(error.errno or 0)
        return True

    def _header(self, packet: Packet, header_length: int) -> bytes:
        """Return the virtio header of a packet whose checksum is owed."""
        gso_size = packet.gso_size
        start = packet.checksum_start
        offset = packet.checksum_offset
        if gso_size == 0 and offset == 16:
            if start == 20:
                return _OWED_V4
            if start == 40:
                return _OWED_V6
        version = packet.data[packet.start] >> 4
        key = (gso_size << 40) | (header_length << 24) | (start << 8) | (offset << 1)
        if version == 6:
            key |= 1
        found = self._headers.get(key)
        if found is not None:
            return found
        gso_type = 0
        if gso_size:
            gso_type = GSO_TCPV6 if version == 6 else GSO_TCPV4
        made = VIRTIO_HEADER.pack(
            NEEDS_CHECKSUM, gso_type, header_length if gso_size else 0, gso_size, start, offset
        )
        if len(self._headers) >= _MOST_HEADERS:
            self._headers.clear()
        self._headers[key] = made
        return made

    def _send_failed(self, code: int) -> bool:
        if code == errno.ENOBUFS or code == errno.ENOMEM:
            return False
        if code == errno.EIO or code == errno.EINVAL or code == errno.EMSGSIZE:
            self.refused += 1
            return True
        raise self._gone(code)

    def _gone(self, code: int) -> DeviceUnavailable:
        if self._descriptor < 0:
            return device_error(errno.EBADF, f"the link to {self.name} has been closed")
        if code in (errno.EBADFD, errno.ENODEV, errno.ENXIO, errno.EBADF):
            return device_error(
                errno.ENODEV, f"the device {self.name} is gone: somebody removed it; open it again"
            )
        return device_error(code, f"the device {self.name} failed: {os.strerror(code)}")

    def close(self) -> None:
        """Give the device back; harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _with_virtio_header(data: bytes, flags: int) -> Packet:
    """Return the packet behind a virtio header that says something."""
    _, gso_type, _, gso_size, start, offset = VIRTIO_HEADER.unpack_from(data)
    if gso_type == 0:
        gso_size = 0
    checksum = CHECKSUM_PRESENT
    if flags & NEEDS_CHECKSUM:
        checksum = CHECKSUM_OWED
    elif flags & DATA_VALID:
        checksum = CHECKSUM_TRUSTED
    return Packet(data, VIRTIO_SIZE, len(data), (), 0, gso_size, checksum, start, offset)


def _open_device() -> int:
    try:
        return os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        code = error.errno or 0
        if code in (errno.EACCES, errno.EPERM):
            sentence = f"opening {DEVICE} is not permitted: run this as root (sudo)"
        elif code in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
            sentence = (
                f"there is no {DEVICE}: load the module (modprobe tun), "
                "or give the container the device (--device /dev/net/tun)"
            )
        else:
            sentence = f"opening {DEVICE} failed: {os.strerror(code)}"
        raise device_error(code, sentence) from None


def _join_error(code: int, name: str) -> DeviceUnavailable:
    if code in (errno.EACCES, errno.EPERM):
        sentence = (
            f"making the device {name or 'tun'} is not permitted: run this as root (sudo), or have "
            f"root make it for you (ip tuntap add {name or 'NAME'} mode tun user $USER)"
        )
    elif code == errno.EBUSY:
        sentence = f"the device {name} is in use by another process: end it or choose another name"
    elif code == errno.EINVAL:
        sentence = f"{name} exists and is no TUN device: choose another name"
    else:
        sentence = f"making the device {name or 'tun'} failed: {os.strerror(code)}"
    return device_error(code, sentence)


def keep_freed_memory() -> None:
    """Have malloc keep what is freed, where it would give it back to the kernel at once.

    glibc shrinks its heap whenever 128 KiB at the end of it are free. With packets of 64 KiB that
    is always, and every read faults its pages in anew: 2.4 GB/s instead of 7.9. A block that is
    mapped and freed once raises the limit to twice its size, for blocks of up to 32 MiB
    (mallopt(3), M_MMAP_THRESHOLD). Its pages are never touched; elsewhere this does nothing.
    """
    bytes(31 << 20)


def set_queue_length(name: str, packets: int) -> None:
    """Set how many packets the kernel keeps for a device at most (its txqueuelen)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        request = struct.pack("16si20x", name.encode(), packets)
        try:
            ioctl(control.fileno(), SIOCSIFTXQLEN, request)
        except OSError as error:
            raise device_error(
                error.errno or 0, f"the queue of {name} cannot be set: {error.strerror}"
            ) from None
