"""How large a segment may be, and the options that say so (RFC 9293 3.1, 3.2, 3.7.1)."""

import pytest
from peer import OURS, PLAIN, Peer, established, opening

from lastack.tcp.config import Config, preset
from lastack.tcp.connection import Connection
from lastack.wire.address import Endpoint
from lastack.wire.segment import (
    ABSENT,
    END_OF_LIST,
    NO_OPERATION,
    SYN,
    Segment,
)

LOCAL_6 = Endpoint(bytes(15) + b"\1", 40000)
REMOTE_6 = Endpoint(bytes(15) + b"\2", 80)


def over_ip6(mtu: int = 1500) -> Peer:
    """Return an active open over IPv6 whose SYN has been sent."""
    peer = Peer()
    peer.connection = Connection(1, LOCAL_6, REMOTE_6, PLAIN, OURS, 0, mtu)
    peer.connection.open_active(peer.now)
    return peer


def test_the_mss_is_offered_in_every_syn_and_heeded_in_every_answer() -> None:
    """3.7.1, MUST-14, SHLD-5, MAY-3: also when it is the default of 536."""
    for mtu in (1500, 576):
        peer = Peer(mtu=mtu)
        peer.connection.open_passive(peer.now)
        peer.sends("S 0:0(0) win 60000 <mss 400>")
        peer.hears(f"S. 0:0(0) ack 1 <mss {mtu - 40}>")
        peer.sends(". 1:1(0) ack 1 win 60000")
        peer.writes(bytes(400))
        peer.hears("P. 1:401(400) ack 1")
        peer.writes(bytes(401))
        peer.hears(". 401:801(400) ack 1")
        active = Peer(mtu=mtu)
        active.connection.open_active(active.now)
        active.hears(f"S 0:0(0) win 65535 <mss {mtu - 40}>")


def test_what_is_offered_is_what_ip_can_receive_less_the_tcp_header() -> None:
    """3.7.1, MUST-67: MMS_R - 20; no options are subtracted (RFC 6691)."""
    for mtu in (1500, 9000, 576):
        for config in (PLAIN, Config(strict=True)):
            peer = Peer(config, mtu)
            peer.connection.open_active(peer.now)
            assert peer.hears("S 0:0(0) <...>").mss == mtu - 20 - 20
        six = over_ip6(mtu)
        assert six.hears("S 0:0(0) <...>").mss == mtu - 40 - 20


def test_without_an_offer_536_octets_are_sent_and_1220_over_ip6() -> None:
    """3.7.1, MUST-15."""
    for peer, size in ((opening(), 536), (over_ip6(), 1220)):
        peer.heard.clear()
        peer.pull()
        peer.heard.clear()
        peer.sends("S. 0:0(0) ack 1 win 60000")
        peer.hears(". 1:1(0) ack 1")
        peer.writes(bytes(3000))
        peer.hears(f". 1:{1 + size}({size}) ack 1")


@pytest.mark.parametrize(
    ("mtu", "offer", "size"), [(1500, 9000, 1460), (1500, 1000, 1000), (600, 1460, 560)]
)
def test_the_smaller_of_offer_and_path_bounds_a_segment(mtu: int, offer: int, size: int) -> None:
    """3.7.1, MUST-16: Eff.snd.MSS = min(SendMSS + 20, MMS_S) - 20 - options."""
    peer = opening(mtu=mtu)
    peer.sends(f"S. 0:0(0) ack 1 win 60000 <mss {offer}>")
    peer.hears(". 1:1(0) ack 1")
    peer.writes(bytes(20000))
    assert peer.hears(f". 1:{1 + size}({size}) ack 1").length == size


def everything(config: Config) -> list[Segment]:
    """Return one of each kind of segment that a connection sends in its life."""
    peer = established(config)
    stamp = ",nop,nop,TS val 2 ecr 1000" if config.timestamps else ""
    options = f"<{stamp[1:]}>" if stamp else ""
    peer.writes(bytes(2500))
    peer.sends(f". 1:1(0) ack 2501 win 60000 {options}")
    peer.sends(f". 1001:2001(1000) ack 2501 win 60000 {options}")
    peer.sends(f". 1:1001(1000) ack 2501 win 60000 {options}")
    peer.writes(b"!", urgent=True)
    peer.connection.shutdown_write(peer.now)
    peer.sends(f"F. 2001:2001(0) ack 2503 win 60000 {options}")
    peer.pull()
    assert len(peer.heard) >= 5
    return peer.heard


def syns(config: Config) -> list[Segment]:
    """Return a SYN, and SYN-ACKs to a SYN with all options and to one with none."""
    active = Peer(config)
    active.connection.open_active(active.now)
    found = [active.hears("S 0:0(0) <...>")]
    for offer in ("<mss 1460,nop,wscale 7,sackOK,TS val 1 ecr 0>", "<sackOK>", ""):
        passive = Peer(config)
        passive.connection.open_passive(passive.now)
        passive.sends(f"S 0:0(0) win 60000 {offer}")
        found.append(passive.hears("S. 0:0(0) ack 1 <...>"))
    return found


CONFIGS = [
    preset(name).replace(strict=True, timestamps=timestamps, sack=sack, window_scale=scale)
    for name in ("rfc", "linux", "freebsd")
    for timestamps in (False, True)
    for sack in (False, True)
    for scale in (False, True)
]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_segment_without_syn_never_offers_an_mss(config: Config) -> None:
    """3.2, MUST-65."""
    for segment in everything(config):
        assert not segment.flags & SYN
        assert segment.mss == ABSENT


def walked(options: bytes) -> tuple[list[int], int]:
    """Return the kinds of a list of options, by their lengths alone, and where the list ends."""
    kinds: list[int] = []
    at = 0
    while at < len(options):
        kinds.append(options[at])
        if options[at] == END_OF_LIST:
            return kinds, at
        if options[at] == NO_OPERATION:
            at += 1
        else:
            assert options[at + 1] >= 2
            at += options[at + 1]
    assert at == len(options)
    return kinds, at


@pytest.mark.parametrize("config", CONFIGS)
def test_our_options_have_lengths_and_are_padded_with_zeros(config: Config) -> None:
    """3.1, MUST-68: all but EOL and NOP have a length; MUST-69: behind EOL stand zeros."""
    for segment in (*syns(config), *everything(config)):
        assert len(segment.options) % 4 == 0
        _, end = walked(segment.options)
        assert not any(segment.options[end:])
