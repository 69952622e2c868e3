"""The knobs of `Config` that are about how data goes out: Nagle, windows, recovery, probes."""

from dataclasses import dataclass

from lastack.tcp.opening_knobs import OpeningKnobs
from lastack.units import MS


@dataclass
class SendingKnobs(OpeningKnobs):
    """Those of `Config` (`tcp.config`), which is what everybody uses."""

    # sending
    nagle: bool = True
    """RFC 9293 3.7.4, SHLD-7; MUST-17 is this switch."""
    nagle_minshall: bool = False
    """Hold a small segment back only while another small one is unacknowledged, as Linux does."""
    nagle_whole_writes: bool = False
    """What is written while nothing is unacknowledged goes out to its last octet, as in FreeBSD."""
    initial_window: int = 0
    """Segments of the initial congestion window; 0 is RFC 5681 3.1's two to four."""
    slow_start_segments: int = 1
    """Segments by which one ACK opens the window in slow start at most; 0 is no limit.

    One in RFC 5681 3.1, two in RFC 3465.
    """
    window_validation: str = "rfc5681"
    """What becomes of a window that is not filled. `rfc5681` (4.1, SHOULD): back to the initial one
    after an idle RTO; `freebsd` the same, but ssthresh remembers it; `linux`: half of it for each
    (RFC 2861 3.1). `rfc7661`: kept for five minutes, but not trusted. `off`: kept."""
    congestion: str | type[object] = "newreno"
    """The congestion controller: `newreno` (or `reno`), `cubic`, `bbr`, `dctcp`, the name of a
    registered one, or a class of one's own, a CongestionController."""
    classic_hystart: bool = False
    """CUBIC leaves slow start as Linux does it, not by HyStart++ (RFC 9406), and then grows by a
    twentieth in a round trip until something is lost."""
    abe: bool = False
    """A congestion mark takes less of the window than a loss does (RFC 8511)."""
    pacing: bool = False
    """Let data flow at twice cwnd / SRTT in slow start, else at 1.2 times, where the controller
    says no rate: what Linux does with the fq queue."""
    halve_window: bool = False
    """NewReno halves the congestion window, as Linux does, instead of what is in flight (RFC 5681
    equation 4), which ACKs that come in bunches make out too small."""
    limited_transmit: bool = True
    """RFC 3042."""
    duplicate_acks: int = 3
    """RFC 5681 3.2."""
    prr: bool = False
    """While losses are repaired the window comes down in step with what arrives (RFC 6937, RFC
    9937), instead of at once."""
    eifel: bool = False
    """What a loss has changed is undone when timestamps deny it (RFC 3522, RFC 4015)."""
    dsack_undo: bool = False
    """The same when D-SACKs deny it (RFC 3708)."""
    frto: bool = False
    """The same when new data after a timeout shows that nothing was lost (RFC 5682)."""
    rto_restart: bool = False
    """RTO counts from the sending of the oldest octet while little is in flight (RFC 7765)."""
    rack: bool = False
    """With SACK, losses are told by time (RFC 8985 6) instead of by counting (RFC 6675)."""
    tail_loss_probe: bool = False
    """With SACK, a probe two round trips after the last segment (RFC 8985 7)."""
    tail_loss_probe_delay: int = 200 * MS
    """What a probe waits longer for the ACK of a lone segment, which the peer may delay (RFC 8985
    7.2)."""

    probe_with_data: bool = True
    """A zero-window probe carries one octet of new data (RFC 9293 3.8.6.1)."""
    cork_timeout: int = 200 * MS
    """How long a corked partial segment waits at most."""
    more_until_ack: bool = False
    """What was sent with MSG_MORE waits for the peer's next ACK at most, and has no PSH, as in
    Linux; RFC 9293 3.9.1.2 has PSH on the last of what is queued (MUST-61)."""
    push_within: bool = False
    """PSH in the middle of what is queued, too, whenever half the largest window that the peer has
    offered was written since the last, as in Linux."""
    broken_before_opening: bool = False
    """A SEND on a socket that was never connected fails with EPIPE, as in Linux; in POSIX with
    ENOTCONN."""
