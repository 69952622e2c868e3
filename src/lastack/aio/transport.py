"""The transport: a connection in the shape that asyncio's protocols and streams know.

Opening, closing, names and options go through the socket (`stack.sockets`), as at every door. Data
does not: it goes straight to the Connection, whose octets are handed to the protocol as they are.

    protocol <- data_received <- Connection.receive        the window closes while reading is paused
    protocol -> write -> Connection.send -> | buffer |     what the send buffer has no room for
"""

import asyncio
import logging
from collections import deque
from typing import Any, Final, Protocol

from lastack.aio.attachment import Attachment, NoticeTaker
from lastack.aio.extra import TransportSocket
from lastack.aio.names import socket_name
from lastack.stack.sockets import TcpSocket

_HIGH: Final = 64 * 1024
_WRITES_BEFORE_WARNING: Final = 5
_logger: Final = logging.getLogger(__name__)


class ClientCounter(Protocol):
    """A server, as far as its transports know it."""

    def attach(self, transport: "ConnectionTransport") -> None:
        """A client has come."""

    def detach(self, transport: "ConnectionTransport") -> None:
        """A client has gone."""


class ConnectionTransport(asyncio.Transport, NoticeTaker):
    """One established connection, from `connection_made` to `connection_lost`.

    As asyncio's own, with these differences: `abort()` tells the peer by a reset, and the protocol
    hears of a reset at once even while it writes nothing. What came before an error is delivered
    before the error. `get_extra_info` knows `peername`, `sockname`, `socket` (a TransportSocket),
    `connection` (the Connection) and `info` (a fresh ConnectionInfo).
    """

    max_size = 256 * 1024
    """Octets that `data_received` gets at most in one call."""
    _start_tls_compatible = True

    def __init__(
        self,
        attachment: Attachment,
        socket: TcpSocket,
        protocol: asyncio.BaseProtocol,
        server: ClientCounter | None = None,
    ) -> None:
        super().__init__()
        assert socket.connection is not None
        self._attachment = attachment
        self._socket = socket
        self._connection = socket.connection
        self._server = server
        self._buffer: deque[bytes | memoryview] | None = None
        self._buffered = 0
        self._high = _HIGH
        self._low = _HIGH // 4
        self._reading_paused = False
        self._writing_paused = False
        self._closing = False
        self._ended = False
        self._eof_written = False
        self._eof_heard = False
        self._writes_in_vain = 0
        self.set_protocol(protocol)
        self._connection.user = self
        attachment.transports.add(self)
        if server is not None:
            server.attach(self)

    def begin(self) -> None:
        """Tell the protocol that it has a connection; notices follow."""
        try:
            self._protocol.connection_made(self)
        except Exception as error:
            self._fail(error, "protocol.connection_made() failed")

    # what asyncio asks of any transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return `peername`, `sockname`, `socket`, `connection`, `info`, or the default."""
        connection = self._connection
        if name == "peername":
            return socket_name(connection.remote)
        if name == "sockname":
            return socket_name(connection.local)
        if name == "socket":
            return TransportSocket(self._attachment, self._socket)
        if name == "connection":
            return connection
        if name == "info":
            return connection.info(self._attachment.now())
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol go on from here."""
        self._protocol = protocol
        self._buffered_protocol = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def is_closing(self) -> bool:
        """Return whether it is closing, or closed."""
        return self._closing

    def close(self) -> None:
        """Send what is buffered, then close both ways; reading ends now."""
        if not self._closing:
            self._closing = True
            if not self._buffered:
                self._end(None)

    def abort(self) -> None:
        """Throw away what is buffered, here and in the connection, and reset the peer."""
        if not self._ended:
            self._connection.abort(self._attachment.now())
            self._attachment.wake(self._connection)
            self._end(None)

    def link_lost(self, error: OSError) -> None:
        """There is no link any more: the protocol hears the reason."""
        self._end(error)

    def __repr__(self) -> str:
        connection = self._connection
        how = "closing" if self._closing else str(connection.state)
        return f"<{type(self).__name__} {connection.local} {connection.remote} {how}>"

    # reading

    def is_reading(self) -> bool:
        """Return whether the protocol is given what comes."""
        return not (self._closing or self._reading_paused)

    def pause_reading(self) -> None:
        """Leave what comes in the connection: its window closes, and the peer must wait."""
        if not self._closing:
            self._reading_paused = True

    def resume_reading(self) -> None:
        """Go on with what has come meanwhile."""
        if self._reading_paused and not self._closing:
            self._reading_paused = False
            self._attachment.loop.call_soon(self.noticed)

    # writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue octets; never waits, so a writer that respects `pause_writing` keeps this small."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data must be bytes-like, not {type(data).__name__}")
        if self._eof_written:
            raise RuntimeError("write() after write_eof()")
        if not isinstance(data, bytes):
            data = bytes(data)
        if not data:
            return
        if self._ended:
            self._wrote_in_vain()
            return
        if not self._buffered:
            attachment = self._attachment
            try:
                taken = self._connection.send(data, attachment.now())
            except OSError as error:
                self._end(error)
                return
            if taken:
                attachment.wake(self._connection)
            if taken == len(data):
                return
            self._keep(memoryview(data)[taken:] if taken else data)
        else:
            self._keep(data)

    def write_eof(self) -> None:
        """Send FIN after what is buffered; reading goes on."""
        if not (self._closing or self._eof_written):
            self._eof_written = True
            if not self._buffered:
                self._shut()

    def can_write_eof(self) -> bool:
        """Return True: TCP can close one way."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return the octets that the connection's send buffer had no room for."""
        return self._buffered

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return (low, high)."""
        return (self._low, self._high)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when `pause_writing` and `resume_writing` are called: above high, at or below low."""
        if high is None:
            high = _HIGH if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self._high = high
        self._low = low
        self._pause_writer()

    # what the connection has to tell

    def noticed(self) -> None:
        """Something has changed: take what has come, give what waited, learn how it ended."""
        connection = self._connection
        connection.notices = 0
        if self._ended:
            return
        if not (self._reading_paused or self._closing or self._eof_heard):
            self._receive()
        if self._buffered and not self._ended and connection.writable:
            self._send_buffered()
        if connection.error and not self._ended and not connection.available:
            self._receive_error()

    def _receive(self) -> None:
        """Give the protocol all there is, in pieces as large as they can be had."""
        connection = self._connection
        attachment = self._attachment
        took = False
        data = b""
        while not (self._reading_paused or self._closing):
            try:
                if self._buffered_protocol:
                    data = self._fill_buffer()
                    if not data:
                        break
                else:
                    data = connection.receive(self.max_size, attachment.now())
                    if not data:
                        break
                    self._protocol.data_received(data)  # type: ignore[attr-defined]
            except Exception as error:
                self._fail(error, "the protocol failed to take data")
                break
            took = True
        if took and connection.wants_output:  # the window that reading has opened
            attachment.wake(connection)
        if not data and connection.at_end and not (self._ended or self._reading_paused):
            self._hear_eof()

    def _fill_buffer(self) -> bytes:
        """Let a BufferedProtocol have what fits its buffer; b"" when there is nothing."""
        connection = self._connection
        now = self._attachment.now()
        if not connection.available:
            return connection.receive(1, now)  # raises what there is to raise
        protocol: Any = self._protocol
        buffer = memoryview(protocol.get_buffer(-1)).cast("B")
        if not buffer:
            raise RuntimeError("get_buffer() returned an empty buffer")
        data = connection.receive(len(buffer), now)
        buffer[: len(data)] = data
        buffer.release()
        if data:
            protocol.buffer_updated(len(data))
        return data

    def _hear_eof(self) -> None:
        self._eof_heard = True
        try:
            keep_open = self._protocol.eof_received()  # type: ignore[attr-defined]
        except Exception as error:
            self._fail(error, "protocol.eof_received() failed")
            return
        if not keep_open:
            self.close()

    def _receive_error(self) -> None:
        """Take the error that ended the connection."""
        try:
            self._connection.receive(1, self._attachment.now())
        except OSError as error:
            self._end(error)

    # helpers of writing

    def _keep(self, data: bytes | memoryview) -> None:
        if self._buffer is None:
            self._buffer = deque()
        self._buffer.append(data)
        self._buffered += len(data)
        self._pause_writer()

    def _send_buffered(self) -> None:
        """Move what fits from the buffer to the connection; go on with what waited for that."""
        connection = self._connection
        attachment = self._attachment
        buffer = self._buffer
        assert buffer is not None
        try:
            while buffer:
                data = buffer[0]
                taken = connection.send(data, attachment.now())
                self._buffered -= taken
                if taken < len(data):
                    if taken:
                        buffer[0] = memoryview(data)[taken:]
                    break
                buffer.popleft()
        except OSError as error:
            self._end(error)
            return
        attachment.wake(connection)
        if self._writing_paused and self._buffered <= self._low:
            self._writing_paused = False
            self._tell_writer("resume_writing")
        if not self._buffered and not self._ended:
            if self._closing:
                self._end(None)
            elif self._eof_written:
                self._shut()

    def _shut(self) -> None:
        try:
            self._connection.shutdown_write(self._attachment.now())
        except OSError as error:
            self._end(error)
        else:
            self._attachment.wake(self._connection)

    def _pause_writer(self) -> None:
        if self._buffered > self._high and not self._writing_paused:
            self._writing_paused = True
            self._tell_writer("pause_writing")

    def _tell_writer(self, call: str) -> None:
        try:
            getattr(self._protocol, call)()
        except Exception as error:
            self._report(error, f"protocol.{call}() failed")

    def _wrote_in_vain(self) -> None:
        self._writes_in_vain += 1
        if self._writes_in_vain == _WRITES_BEFORE_WARNING:
            _logger.warning("%r: writing goes on after the connection has ended", self)

    # the end

    def _fail(self, error: Exception, what: str) -> None:
        """The connection's error is news for the protocol; any other is a mistake to report too."""
        if not isinstance(error, OSError):
            self._report(error, what)
        self._end(error)

    def _report(self, error: Exception, what: str) -> None:
        self._attachment.loop.call_exception_handler(
            {"message": what, "exception": error, "transport": self, "protocol": self._protocol}
        )

    def _end(self, error: Exception | None) -> None:
        """Nothing is read or written any more; the protocol hears of it in the next round."""
        if self._ended:
            return
        self._ended = True
        self._closing = True
        self._buffer = None
        self._buffered = 0
        self._attachment.loop.call_soon(self._finish, error)

    def _finish(self, error: Exception | None) -> None:
        attachment = self._attachment
        try:
            self._protocol.connection_lost(error)
        except Exception as mistake:
            self._report(mistake, "protocol.connection_lost() failed")
        finally:
            attachment.transports.discard(self)
            self._socket.close(attachment.now())
            attachment.flush_soon()
            if self._server is not None:
                self._server.detach(self)
                self._server = None
