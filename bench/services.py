"""What every server in the bench offers and every client asks for: ports, sizes, addresses.

A server under test answers on three ports, and prints `ready` when it does:

- ECHO sends back whatever comes and closes when the client does;
- SINK counts what it is given to the end of the stream, answers the count in 8 octets, closes;
- SOURCE sends without end, until the client goes away.

"Counted" means handed to the user of the stack, not merely acknowledged.
"""

from random import Random

ECHO = 7
SINK = 9
SOURCE = 19

DEVICE = "bench0"
STACK_ADDRESS = "10.9.9.1"
PEER_ADDRESS = "10.9.9.2"
PREFIX_LENGTH = 24
MTU = 1500

BLOCK_SIZE = 256 * 1024
BLOCK = Random(9293).randbytes(BLOCK_SIZE)
REQUEST_SIZE = 64
BACKLOG = 4096
