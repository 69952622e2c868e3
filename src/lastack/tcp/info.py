"""The record that every view takes: a connection as our TCB, a capture or the kernel knows it."""

from dataclasses import dataclass, field

from lastack.tcp.states import State


@dataclass
class ConnectionInfo:
    """A connection at one moment. None means unknown.

    Times are nanoseconds, sizes octets, sequence numbers absolute. `local` and `remote` are text
    (`10.0.0.1:80`, `[fd00::1]:80`).
    """

    local: str
    remote: str
    state: State | None
    number: int = 0
    time: int = 0
    # RFC 9293 3.3.1
    snd_una: int | None = None
    snd_nxt: int | None = None
    snd_wnd: int | None = None
    snd_up: int | None = None
    snd_wl1: int | None = None
    snd_wl2: int | None = None
    iss: int | None = None
    rcv_nxt: int | None = None
    rcv_wnd: int | None = None
    rcv_up: int | None = None
    irs: int | None = None
    # what was agreed
    mss: int | None = None
    path_mtu: int | None = None
    snd_scale: int | None = None
    """-1 where the ends have not agreed on scaling."""
    rcv_scale: int | None = None
    timestamps: bool | None = None
    sack: bool | None = None
    # queues
    unsent: int | None = None
    in_flight: int | None = None
    unread: int | None = None
    out_of_order: int | None = None
    # timing and congestion
    srtt: int | None = None
    rttvar: int | None = None
    rto: int | None = None
    backoff: int | None = None
    controller: str | None = None
    cwnd: int | None = None
    ssthresh: int | None = None
    recovery: str | None = None
    """Loss recovery: `open`, `recovery` or `loss`."""
    # of what is in flight
    sacked: int | None = None
    lost: int | None = None
    resent: int | None = None
    # counts
    probes: int | None = None
    segments_sent: int | None = None
    segments_received: int | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None
    bytes_acked: int | None = None
    retransmissions: int | None = None
    duplicate_acks: int | None = None
    # timers: name -> time left
    timers: dict[str, int] = field(default_factory=dict)
    # of what is in flight, in segments
    segments_in_flight: int | None = None
    segments_sacked: int | None = None
    segments_lost: int | None = None
    """Found lost and not known to have arrived since, sent again or not."""
    segments_resent: int | None = None
    # congestion marks (RFC 3168, RFC 9768)
    ecn: str | None = None
    """How the ends tell each other of marks: `none`, `classic` or `accurate`."""
    ecn_seen: bool | None = None
    """Something has come that was ECN-capable."""
    marks_received: int | None = None
    marks_delivered: int | None = None
    """Segments, as far as the peer's feedback tells."""
    received_by_codepoint: dict[str, int] = field(default_factory=dict)
    """Octets that came with `ect1`, `ect0` or `ce`, counted for accurate feedback alone."""
    delivered_by_codepoint: dict[str, int] = field(default_factory=dict)
    """The same of ours, as the peer's AccECN options tell."""
    reducing: bool | None = None
    """The window was reduced, and what was sent since is not acknowledged yet."""
    # more counts
    retries: int | None = None
    """Retransmissions of the oldest octet so far."""
    data_segments_sent: int | None = None
    data_segments_received: int | None = None
    segments_delivered: int | None = None
    bytes_resent: int | None = None
    duplicates_reported: int | None = None
    out_of_order_segments: int | None = None
    timeouts: int | None = None
    timeout_recoveries: int | None = None
    timeout_time: int | None = None
    # sizes and rates
    offered_mss: int | None = None
    peer_segment: int | None = None
    """The largest segment that has come, or an estimate of it."""
    receive_buffer: int | None = None
    receive_space: int | None = None
    """The most that the user has taken in one round trip, for sizing the buffer."""
    receive_rtt: int | None = None
    """The round trip as the receiver of data sees it."""
    reordering: int | None = None
    """Segments by which others may be overtaken before they count as lost."""
    undone: int | None = None
    """How often a loss turned out to be none, and what it had changed was undone."""
    reordering_seen: int | None = None
    """How often something arrived that others had overtaken."""
    pacing_rate: int | None = None
    delivery_rate: int | None = None
    rate_app_limited: bool | None = None
    # more times
    min_rtt: int | None = None
    delayed_ack_timeout: int | None = None
    since_data_sent: int | None = None
    since_data_received: int | None = None
    since_ack_received: int | None = None
    busy_time: int | None = None
    limited_by_peer: int | None = None
    limited_by_buffer: int | None = None
    # how it stands and ended
    error: int = 0
    opened_passively: bool | None = None
    syn_data: bool | None = None
    """Data rode on the SYN and was taken (RFC 7413)."""
