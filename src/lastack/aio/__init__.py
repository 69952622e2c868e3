"""asyncio's own shapes over a TCP of one's own: streams, transports and protocols.

    async with Host(TunLink("tun0"), ["10.9.0.2/24"]) as host:
        server = await host.start_server(serve, port=80)
        reader, writer = await host.open_connection("10.9.0.1", 8080)

Readers and writers are asyncio's StreamReader and StreamWriter, so all that is known of them holds.
"""

from lastack.aio.extra import TransportSocket
from lastack.aio.host import Host, open_connection, start_server
from lastack.aio.server import Server
from lastack.aio.transport import ConnectionTransport

__all__ = [
    "ConnectionTransport",
    "Host",
    "Server",
    "TransportSocket",
    "open_connection",
    "start_server",
]
