"""The knobs of `Config` that are about how connections open: Fast Open, and what a SYN meets."""

from dataclasses import dataclass

from lastack.units import HOUR, MINUTE


@dataclass
class OpeningKnobs:
    """Those of `Config` (`tcp.config`), which is what everybody uses."""

    # Fast Open (RFC 7413)
    fast_open_client: bool = True
    """The host's knob: users may ask for it (MSG_FASTOPEN, TCP_FASTOPEN_CONNECT)."""
    fast_open_server: bool = True
    """The host's knob: listeners that ask for it (`fast_open_backlog`) have it. Where Linux runs,
    its administrator decides that (net.ipv4.tcp_fastopen, bit 1); here, whoever makes the stack."""
    fast_open_backlog: int = 0
    """TCP_FASTOPEN: how many children of a listener may be open before their handshake is over (RFC
    7413 5.1, PendingFastOpenRequests); 0 is a listener without Fast Open."""
    fast_open_every_listener: bool = False
    """The host's knob: listeners have it without asking, with their backlog as limit."""
    fast_open_needs_cookie: bool = True
    """The host's knob: data of a SYN without a cookie is not taken (RFC 7413 4.2.2)."""
    fast_open_sends_cookie: bool = True
    """A client asks for cookies and shows them (RFC 7413 4.1.3). False sends data on a SYN without
    one (TCP_FASTOPEN_NO_COOKIE), for networks where nobody forges addresses."""
    fast_open_connect: bool = False
    """TCP_FASTOPEN_CONNECT: connect waits for the first data where a cookie is known."""
    implied_connect: bool = False
    """Sending to an address connects, as in FreeBSD; with `fast_open_backlog` by Fast Open."""
    fast_open_key: bytes = b""
    """TCP_FASTOPEN_KEY of a listener: 16 octets, or 32 for a second key whose cookies are good too
    (RFC 7413 4.1.2 has keys changed); b"" is the stack's own."""
    fast_open_psk: bytes = b""
    """A secret of 16 octets between client and server (FreeBSD's pre-shared key): what is shown is
    a hash of the cookie with it."""
    fast_open_experimental: bool = False
    """A server that does not know the option (kind 34) is asked once by the experimental one."""
    fast_open_refused_for: int = 15 * MINUTE
    """How long a server that did not want it is not asked again (RFC 7413 4.1.3.1)."""
    fast_open_blackhole_timeout: int = 1 * HOUR
    """How long nobody is asked after the third timeout in a row of a connection with Fast Open,
    twice as long each next time: the path eats such connections (RFC 7413 7.1); 0 is never."""

    # LISTEN
    syn_cookies: int = 0
    """The host's knob: 1 answers with SYN cookies (RFC 4987 3.6) while a listener's queue of
    half-open connections is full, 2 always, 0 never."""
    cookies_say_sack: bool = False
    """A SYN cookie remembers SACK of peers without timestamps too, as in FreeBSD; half as many
    guesses then find one."""
    defer_accept: int = 0
    """TCP_DEFER_ACCEPT: the ACK of a SYN-ACK opens only with data, until so many of the SYN-ACK's
    timeouts have passed; 0 is at once (RFC 9293 3.10.7.4 fifth)."""
    save_syn: bool = False
    """TCP_SAVE_SYN: keep the headers of the SYN for whoever accepts (TCP_SAVED_SYN)."""
    keep_reset_children: bool = False
    """A connection that is reset before it was accepted can be accepted all the same, and what had
    come be read, as in Linux."""
    crossing_syn_is_duplicate: bool = False
    """The SYN-ACK of a simultaneous open is acknowledged, its SYN as something that had come, as in
    Linux; RFC 9293 3.10.7.4 asks for no answer."""
