"""SEGMENT ARRIVES in LISTEN (RFC 9293 3.10.7.2), for a host: what becomes of a SYN."""

from typing import Final

from lastack.stack.authentic import signer_for, stranger_stop
from lastack.stack.cookies import (
    AHEAD,
    ALWAYS,
    BELIEVED_FOR,
    SAYS_SACK,
    SIZES4,
    SIZES6,
    WHEN_FULL,
    may_be_answer,
    plain_syn,
    size_index,
    stamp_for,
    syn_of,
)
from lastack.stack.demux import Slot, key_of
from lastack.stack.host import Host
from lastack.stack.listener import Listener, Verdict
from lastack.stack.refuse import reset
from lastack.stack.routes import Interface
from lastack.tcp.config import Config
from lastack.tcp.time_wait import TimeWait
from lastack.units import MS
from lastack.wire.address import Endpoint
from lastack.wire.segment import ABSENT, ACK, ECE, FIN, RST, SYN, Segment
from lastack.wire.stop import Stop

_SYN_FIN: Final = SYN | FIN
_MASK: Final = 0xFFFFFFFF


def arrives_in_listen(
    host: Host,
    listener: Listener,
    local: Endpoint,
    remote: Endpoint,
    segment: Segment,
    old: TimeWait | None,
    hops: tuple[bytes, ...],
    now: int,
) -> tuple[Stop | None, Slot | None]:
    """SEGMENT ARRIVES in LISTEN (RFC 9293 3.10.7.2); gives the child that a SYN has made.

    `old` is the TIME-WAIT entry that the SYN may reopen.
    """
    config = listener.config
    stop = stranger_stop(config, local, remote, segment)
    if stop is not None:
        return stop, None
    if segment.flags & RST:
        return Stop.RST_IN_LISTEN, None
    if segment.flags & ACK:
        if host.config.syn_cookies and may_be_answer(segment):
            stop, slot = _cookie_arrives(host, listener, local, remote, segment, hops, now)
            if slot is not None or stop is not Stop.ACK_IN_LISTEN:
                return stop, slot
        if not segment.flags & SYN or host.config.reset_syn_ack_in_listen:
            reset(host, local, remote, segment, now, config)
        return Stop.ACK_IN_LISTEN, None
    if not segment.flags & SYN:
        return Stop.NO_SYN_IN_LISTEN, None
    if host.config.drop_syn_fin and is_syn_fin(segment):
        return Stop.SYN_WITH_FIN, None
    if listener.inspect is not None:
        verdict = _inspect(host, listener, local, remote, segment)
        if verdict is Verdict.REJECT:
            reset(host, local, remote, segment, now, config)
            return Stop.SYN_REJECTED, None
        if verdict is not Verdict.ACCEPT:
            return Stop.SYN_IGNORED, None
    if listener.accept_queue_full:
        return Stop.ACCEPT_QUEUE_FULL, None
    interface = host.routes.towards(remote.address)
    if interface is None:
        return Stop.NO_ROUTE, None
    config = _config_for(listener, segment)
    full = listener.syn_queue_full
    # With TCP-AO the ACK could not be believed by anybody who does not know both ISNs.
    cookies = host.config.syn_cookies if not config.ao_keys else 0
    if old is None and (cookies == ALWAYS or (full and cookies == WHEN_FULL)):
        listener.cookies_until = now + BELIEVED_FOR
        _send_cookie(host, config, local, remote, interface, segment, hops, now)
        return Stop.SYN_COOKIE, None
    if full:
        return Stop.SYN_QUEUE_FULL, None
    return _born(host, listener, config, local, remote, interface, segment, old, hops, now)


def _born(
    host: Host,
    listener: Listener,
    config: Config,
    local: Endpoint,
    remote: Endpoint,
    interface: Interface,
    segment: Segment,
    old: TimeWait | None,
    hops: tuple[bytes, ...],
    now: int,
) -> tuple[Stop | None, Slot | None]:
    """A SYN makes a child."""
    slot = host.create(local, remote, interface, config, listener, hops, now, old)
    if slot.signer is not None:
        slot.signer.check(segment)  # it has been believed; now the child knows whom it hears
    child = slot.connection
    host.counters.opened_passively += 1
    early, child.tcb.fast_open = host.fast_open.syn_arrives(
        listener, host.config, segment, local, remote, now
    )
    child.tcb.early = early
    listener.born(child)
    try:
        if old is not None:
            return child.reopen(segment, now), slot
        child.open_passive(now)
        stop = child.segment_arrives(segment, now)
        if early:
            host.child_is_early(slot, listener)
        return stop, slot
    except Exception as error:
        return host.broken(slot, error, now), slot


def _inspect(
    host: Host, listener: Listener, local: Endpoint, remote: Endpoint, segment: Segment
) -> Verdict:
    """Ask whoever inspects SYNs; one that raises has not accepted."""
    assert listener.inspect is not None
    try:
        return listener.inspect(segment, local, remote)
    except Exception:  # a packet must not be able to make us raise
        if host.config.strict:
            raise
        host.counters.stops[Stop.INTERNAL] += 1
        return Verdict.IGNORE


def _config_for(listener: Listener, segment: Segment) -> Config:
    """Return the Config of a child whose peer's segments come by this way."""
    config = listener.config
    if segment.udp_port == config.udp_remote_port:
        return config
    return config.replace(udp_remote_port=segment.udp_port)


def is_syn_fin(segment: Segment) -> bool:
    """Return whether SYN and FIN stand in one segment."""
    return segment.flags & _SYN_FIN == _SYN_FIN


def _send_cookie(
    host: Host,
    config: Config,
    local: Endpoint,
    remote: Endpoint,
    interface: Interface,
    segment: Segment,
    hops: tuple[bytes, ...],
    now: int,
) -> None:
    """Answer a SYN as a child would, with a cookie for its ISS, and keep nothing (RFC 4987 3.6)."""
    key = key_of(local, remote)
    sizes = SIZES4 if len(local.address) == 4 else SIZES6
    asked = plain_syn(segment, config.timestamps, config.cookies_say_sack)
    mss = asked.mss if asked.mss != ABSENT else sizes[0]
    index = size_index(sizes, mss)
    if config.cookies_say_sack and asked.sack_permitted:
        index += SAYS_SACK
    iss = host.cookies.make(key, asked.seq, index, now)
    child = host.make(key, local, remote, interface, config, hops, now, iss)
    signer = signer_for(config, local, remote) if config.md5_keys else None
    if signer is not None:
        child.tcb.signature_room = signer.room
        child.tcb.set_path()
    child.open_passive(now)
    child.segment_arrives(asked, now)
    answer = child.next_segment(now)
    if answer is None:
        return
    if child.tcb.ts_on:
        agreed = answer.flags & ECE != 0
        stamp = stamp_for(asked, agreed, now)
        back = now // MS - stamp
        child.tcb.ts_offset = (child.tcb.ts_offset - back) & _MASK
        child.tcb.syn_owed = True
        answer = child.next_segment(now) or answer
    host.counters.cookies_sent += 1
    port = segment.udp_port
    host.reply(local.address, remote.address, answer, now, hops, config, signer, port)


def _cookie_arrives(
    host: Host,
    listener: Listener,
    local: Endpoint,
    remote: Endpoint,
    segment: Segment,
    hops: tuple[bytes, ...],
    now: int,
) -> tuple[Stop | None, Slot | None]:
    """An ACK of nothing: a connection when it brings a cookie of ours, ACK_IN_LISTEN when not.

    Whatever comes first does it, data and FIN too, where the handshake's own ACK was lost.
    """
    if host.config.syn_cookies != ALWAYS and now >= listener.cookies_until:
        return Stop.ACK_IN_LISTEN, None
    interface = host.routes.towards(remote.address)
    key = key_of(local, remote)
    sizes = SIZES4 if len(local.address) == 4 else SIZES6
    iss = (segment.ack - 1) & _MASK
    most = 2 * SAYS_SACK if listener.config.cookies_say_sack else SAYS_SACK
    index = host.cookies.read(key, (segment.seq - 1) & _MASK, iss, most, now)
    if index < 0 or interface is None:
        host.counters.cookies_failed += 1
        return (Stop.AHEAD_OF_COOKIE if index == AHEAD else Stop.ACK_IN_LISTEN), None
    if listener.accept_queue_full:
        return Stop.ACCEPT_QUEUE_FULL, None
    host.counters.cookies_received += 1
    config = _config_for(listener, segment)
    slot = host.create(local, remote, interface, config, listener, hops, now, iss=iss)
    if slot.signer is not None:
        slot.signer.check(segment)  # it has been believed; now the child knows whom it hears
    child = slot.connection
    host.counters.opened_passively += 1
    listener.born(child)
    try:
        child.open_passive(now)
        stamp = (segment.ts_ecr - child.tcb.ts_offset) & _MASK
        mss = sizes[index % SAYS_SACK]
        child.segment_arrives(syn_of(segment, mss, stamp, index >= SAYS_SACK), now)
        child.next_segment(now)  # it was sent long ago
        child.answered_long_ago()
        return child.segment_arrives(segment, now), slot
    except Exception as error:
        return host.broken(slot, error, now), slot
