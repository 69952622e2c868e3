"""What is refused before anybody is asked: bad addresses, and segments that belong to nobody."""

from lastack.stack.authentic import has_keys, signer_for
from lastack.stack.host import Host
from lastack.tcp.config import Config
from lastack.tcp.replies import reset_for
from lastack.tcp.states import CLOSED
from lastack.tcp.time_wait import TimeWait, time_wait_segment
from lastack.wire.address import Endpoint
from lastack.wire.segment import ACK, FIN, RST, SYN, Segment
from lastack.wire.signing import Signer
from lastack.wire.stop import Stop


def address_stop(host: Host, source: bytes, destination: bytes) -> Stop | None:
    """Return what is wrong with a packet's addresses, None when it may have been meant for us.

    SYN_TO_MANY stands for anything sent to a group; the caller finds the better name.
    """
    routes = host.routes
    if routes.is_bad_source(source):
        return Stop.SYN_TO_MANY if routes.is_many(source) else Stop.BAD_SOURCE
    if routes.is_ours(destination):
        # From ourselves, over a wire: nobody honest (unless we have talked to ourselves).
        return Stop.BAD_SOURCE if routes.is_ours(source) and not host.looping else None
    if routes.is_many(destination):
        return Stop.SYN_TO_MANY
    return None if host.listeners.claims(destination) else Stop.NOT_OURS


def stop_of_many(data: bytes, start: int, end: int) -> Stop:
    """Return the name for a segment to or from a group or a broadcast address (MUST-57)."""
    if end - start >= 20 and data[start + 13] & SYN:
        return Stop.SYN_TO_MANY
    return Stop.BAD_SOURCE


def reset(
    host: Host,
    local: Endpoint,
    remote: Endpoint,
    segment: Segment,
    now: int,
    config: Config,
    signer: Signer | None = None,
) -> None:
    """Answer with a reset, at a bounded rate (RFC 9293 3.10.7.1), signed where `config` has a key.

    It takes the way that the segment came.
    """
    answer = reset_for(segment)
    if answer is None:
        return
    if signer is None and has_keys(config):
        signer = signer_for(config, local, remote)
        if signer is not None and signer.check(segment) is not None:
            return  # nothing can be said that the peer would believe
    if host.may_answer(now):
        port = segment.udp_port
        host.reply(local.address, remote.address, answer, now, (), config, signer, port)
    else:
        host.counters.resets_held_back += 1


def other_port(
    host: Host,
    local: Endpoint,
    remote: Endpoint,
    segment: Segment,
    config: Config,
    signer: Signer | None,
    now: int,
) -> Stop:
    """A segment by another way than its connection's: in UDP from another port, or in none."""
    stop = Stop.RST_TO_NOBODY if segment.flags & RST else Stop.NO_CONNECTION
    if host.trace is not None:
        host.trace(now, "in", None, segment, CLOSED, stop)
    reset(host, local, remote, segment, now, config, signer)
    return stop


def is_newer_syn(host: Host, entry: TimeWait, segment: Segment, now: int) -> bool:
    """Whether this is a SYN that may open the 4-tuple again; it is only asked, not answered."""
    return (
        segment.flags & (SYN | ACK | RST | FIN) == SYN
        and time_wait_segment(entry, segment, now, host.config) is None
    )
