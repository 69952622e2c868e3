"""Why a packet went no further: each that stops has one of these names, and is counted under it."""

from enum import IntEnum


class Stop(IntEnum):
    """A named end of a packet's journey; `Stop.X.sentence` says it in words."""

    # the IP floor
    NOT_IP = 1
    TRUNCATED = 2
    BAD_IP_HEADER = 3
    BAD_IP_CHECKSUM = 4
    BAD_IP_OPTION = 5
    NOT_OURS = 6
    NO_ROUTE = 7
    UNKNOWN_PROTOCOL = 8
    BAD_SOURCE = 9
    FRAGMENT_HELD = 10
    FRAGMENT_DROPPED = 11
    ICMP_TAKEN = 12
    BAD_ICMP = 13
    ICMP_IGNORED = 14
    BAD_EXTENSION = 15
    # the TCP header
    BAD_CHECKSUM = 20
    BAD_TCP_HEADER = 21
    BAD_TCP_PORT = 22
    BAD_FLAGS = 23
    SYN_WITH_FIN = 24
    # no connection
    NO_CONNECTION = 30
    RST_TO_NOBODY = 31
    # LISTEN
    AHEAD_OF_COOKIE = 39
    RST_IN_LISTEN = 40
    ACK_IN_LISTEN = 41
    NO_SYN_IN_LISTEN = 42
    SYN_QUEUE_FULL = 43
    ACCEPT_QUEUE_FULL = 44
    SYN_IGNORED = 45
    SYN_REJECTED = 46
    SYN_TO_MANY = 47
    SYN_COOKIE = 48
    ACK_DEFERRED = 49
    # SYN-SENT and SYN-RECEIVED
    BAD_ACK_IN_SYN_SENT = 50
    BAD_RST_IN_SYN_SENT = 51
    NO_SYN_IN_SYN_SENT = 52
    BAD_ACK_IN_SYN_RECEIVED = 53
    REPEATED_SYN = 54
    BAD_ECHO_IN_SYN_SENT = 55
    # synchronized states
    OUT_OF_WINDOW = 60
    OLD_TIMESTAMP = 61
    NO_TIMESTAMP = 62
    RST_NOT_EXACT = 63
    RESET = 64
    SYN_IN_WINDOW = 65
    NO_ACK = 66
    ACK_TOO_OLD = 67
    ACK_OF_UNSENT = 68
    DATA_AFTER_CLOSE = 69
    DATA_AFTER_FIN = 70
    NO_ROOM = 71
    LOW_TTL = 72
    NO_MEMORY = 73
    # TIME-WAIT
    RST_IN_TIME_WAIT = 80
    SYN_IN_TIME_WAIT = 81
    OLD_IN_TIME_WAIT = 82
    ACK_IN_TIME_WAIT = 83
    FIN_IN_TIME_WAIT = 84
    # signatures
    MD5_MISSING = 110
    MD5_UNEXPECTED = 111
    MD5_WRONG = 112
    AO_MISSING = 113
    AO_UNEXPECTED = 114
    AO_UNKNOWN_KEY = 115
    AO_WRONG = 116
    SIGNED_TWICE = 117
    # TCP in UDP
    BAD_UDP = 120
    # ours
    CLOSED_CONNECTION = 90
    INTERNAL = 91

    @property
    def sentence(self) -> str:
        """The reason in one plain sentence."""
        return SENTENCES[self]


SENTENCES: dict[Stop, str] = {
    Stop.NOT_IP: "neither IPv4 nor IPv6",
    Stop.TRUNCATED: "shorter than its header says",
    Stop.BAD_IP_HEADER: "the IP header contradicts itself",
    Stop.BAD_IP_CHECKSUM: "the IPv4 header checksum is wrong",
    Stop.BAD_IP_OPTION: "an IPv4 option is malformed",
    Stop.NOT_OURS: "addressed to another host",
    Stop.NO_ROUTE: "no route to the address",
    Stop.UNKNOWN_PROTOCOL: "neither TCP nor ICMP",
    Stop.BAD_SOURCE: "the source is no host (broadcast, multicast or unspecified)",
    Stop.FRAGMENT_HELD: "a fragment, kept until the others come",
    Stop.FRAGMENT_DROPPED: "a fragment that overlaps, is too long, or came when the table was full",
    Stop.ICMP_TAKEN: "an ICMP message, dealt with",
    Stop.BAD_ICMP: "an ICMP message that is malformed or has a wrong checksum",
    Stop.ICMP_IGNORED: "an ICMP message that concerns no connection, or is obsolete",
    Stop.BAD_EXTENSION: "an IPv6 extension header is malformed or not understood",
    Stop.BAD_CHECKSUM: "the TCP checksum is wrong (RFC 9293 3.1, MUST-3)",
    Stop.BAD_TCP_HEADER: "the TCP header is malformed",
    Stop.BAD_TCP_PORT: "a TCP port of zero",
    Stop.BAD_FLAGS: "a combination of flags that no TCP sends",
    Stop.SYN_WITH_FIN: "SYN and FIN in one segment, which this host was told to drop",
    Stop.NO_CONNECTION: "no connection: answered with a reset (RFC 9293 3.10.7.1)",
    Stop.RST_TO_NOBODY: "a reset for no connection (RFC 9293 3.10.7.1)",
    Stop.RST_IN_LISTEN: "a reset in LISTEN is ignored (RFC 9293 3.10.7.2)",
    Stop.ACK_IN_LISTEN: "an ACK in LISTEN is answered with a reset (RFC 9293 3.10.7.2)",
    Stop.NO_SYN_IN_LISTEN: "neither RST, ACK nor SYN in LISTEN (RFC 9293 3.10.7.2)",
    Stop.SYN_QUEUE_FULL: "the queue of half-open connections is full",
    Stop.ACCEPT_QUEUE_FULL: "the queue of connections to be accepted is full",
    Stop.SYN_IGNORED: "the listener chose to ignore this SYN",
    Stop.SYN_REJECTED: "the listener chose to reject this SYN",
    Stop.SYN_COOKIE: "answered by a SYN-ACK that holds all there is to remember (RFC 4987 3.6)",
    Stop.AHEAD_OF_COOKIE: "ahead of what is to bring our SYN cookie, and may have been lost",
    Stop.ACK_DEFERRED: "the listener waits for data: a bare ACK does not open (TCP_DEFER_ACCEPT)",
    Stop.SYN_TO_MANY: "a SYN to or from a broadcast or multicast address (RFC 9293 3.9.2.3)",
    Stop.BAD_ACK_IN_SYN_SENT: "acknowledges what SYN-SENT has not sent: answered with a reset",
    Stop.BAD_RST_IN_SYN_SENT: "a reset in SYN-SENT that does not acknowledge our SYN",
    Stop.NO_SYN_IN_SYN_SENT: "neither SYN nor RST in SYN-SENT (RFC 9293 3.10.7.3)",
    Stop.BAD_ACK_IN_SYN_RECEIVED: "acknowledges what was not sent in SYN-RECEIVED: a reset",
    Stop.BAD_ECHO_IN_SYN_SENT: "echoes a timestamp that SYN-SENT has not sent: a reset",
    Stop.REPEATED_SYN: "the SYN came again: SYN-ACK is sent again",
    Stop.OUT_OF_WINDOW: "outside the receive window: answered by an ACK (RFC 9293 3.10.7.4 first)",
    Stop.OLD_TIMESTAMP: "an old timestamp: PAWS (RFC 7323 5.3)",
    Stop.NO_TIMESTAMP: "no timestamp although both ends agreed on them (RFC 7323 3.2)",
    Stop.RST_NOT_EXACT: "a reset inside the window but not exact: challenge ACK (RFC 5961 3.2)",
    Stop.RESET: "the peer reset the connection (RFC 9293 3.10.7.4 second)",
    Stop.SYN_IN_WINDOW: "a SYN on a synchronized connection: challenge ACK (RFC 5961 4.2)",
    Stop.NO_ACK: "no ACK bit (RFC 9293 3.10.7.4 fifth)",
    Stop.ACK_TOO_OLD: "acknowledges too long ago: challenge ACK (RFC 5961 5.2)",
    Stop.ACK_OF_UNSENT: "acknowledges what was never sent: answered with an ACK",
    Stop.DATA_AFTER_CLOSE: "data for a user who has closed: the peer is reset (RFC 9293 3.6.1)",
    Stop.DATA_AFTER_FIN: "text after the peer's FIN is ignored (RFC 9293 3.10.7.4 seventh)",
    Stop.NO_ROOM: "no room to keep this text: the peer will send it again",
    Stop.NO_MEMORY: "memory is short: what comes out of order has to come again (RFC 2018 8)",
    Stop.LOW_TTL: "the TTL is below what the user asked for (RFC 5082)",
    Stop.RST_IN_TIME_WAIT: "a reset in TIME-WAIT is ignored (RFC 1337)",
    Stop.SYN_IN_TIME_WAIT: "a SYN in TIME-WAIT that may be an old duplicate: answered with an ACK",
    Stop.OLD_IN_TIME_WAIT: "an old segment in TIME-WAIT: answered with an ACK",
    Stop.ACK_IN_TIME_WAIT: "an acknowledgment in TIME-WAIT changes nothing",
    Stop.FIN_IN_TIME_WAIT: "the FIN came again: acknowledged, and 2MSL begins anew",
    Stop.MD5_MISSING: "not signed, though there is an MD5 key for this peer (RFC 2385)",
    Stop.MD5_UNEXPECTED: "an MD5 signature, and no key for this peer",
    Stop.MD5_WRONG: "an MD5 signature that is not that of this segment",
    Stop.AO_MISSING: "no authentication option, though there is a key for this peer (RFC 5925 7.3)",
    Stop.AO_UNEXPECTED: "an authentication option, and no key for this peer",
    Stop.AO_UNKNOWN_KEY: "an authentication option with a KeyID that none of our keys has",
    Stop.AO_WRONG: "a message authentication code that is not that of this segment",
    Stop.SIGNED_TWICE: "more than one signature (RFC 5925 2.2)",
    Stop.BAD_UDP: "a UDP header that is cut short or has a wrong checksum, around TCP",
    Stop.CLOSED_CONNECTION: "the connection had already ended",
    Stop.INTERNAL: "our own mistake: the connection was aborted",
}
