"""Fast Open for a whole host (RFC 7413): the cookies it gives out, and those it was given.

A server's cookie is SipHash-2-4 of (client's address, server's address) with a key of 16 octets, as
on other systems; while keys change, one made with the older is good too, and is answered with a new
one (4.1.2). A client keeps the newest cookie and the MSS of each server (4.1.3), and remembers who
did not want Fast Open (4.1.3.1). Every table is bounded, and its oldest entry goes first.
"""

from collections import OrderedDict
from typing import Final

from lastack.chance import siphash
from lastack.stack.listener import Listener
from lastack.tcp.config import Config
from lastack.tcp.opening import FastOpen
from lastack.tcp.tcb import Tcb
from lastack.wire.address import Endpoint
from lastack.wire.fast_open import find_fast_open
from lastack.wire.segment import Segment

KEY: Final = 16
MOST_SERVERS: Final = 1024
"""Servers whose cookies are kept, and servers that are remembered for having refused."""
_OPTIONS: Final = 40
"""Room left for options, ours and those that boxes on the way put in."""
_TIMEOUTS: Final = 3
"""Timeouts in a row that make a black hole of the path."""
_MOST_PAUSES: Final = 6


class Known:
    """What a client knows of a server: cookie (b"" for none), its form, and the server's MSS.

    `form` is 0, or 1 when the next request takes the experimental option, 2 when that failed too.
    """

    cookie: bytes
    experimental: bool
    mss: int
    form: int

    def __init__(self) -> None:
        self.cookie = b""
        self.experimental = False
        self.mss = 0
        self.form = 0


class FastOpens:
    """One host's keys and cookies; the first key is made from the host's `secret`.

    Nothing here sends; `now` is in nanoseconds.
    """

    keys: bytes
    servers: OrderedDict[bytes, Known]
    refused: OrderedDict[bytes, int]
    paused_until: int
    pauses: int

    def __init__(self, secret: bytes) -> None:
        halves = (siphash(secret[:KEY], b"fast open 1"), siphash(secret[:KEY], b"fast open 2"))
        self.keys = b"".join([half.to_bytes(8, "little") for half in halves])
        self.servers = OrderedDict()
        self.refused = OrderedDict()
        self.paused_until = 0
        self.pauses = 0

    def forget(self) -> None:
        """Forget every server, good or bad."""
        self.servers.clear()
        self.refused.clear()
        self.paused_until = 0
        self.pauses = 0

    # -- the server -----------------------------------------------------------------------------

    def cookie(self, key: bytes, client: bytes, server: bytes) -> bytes:
        """Return the cookie of a client's address (RFC 7413 4.1.2)."""
        return siphash(key, client + server).to_bytes(8, "little")

    def syn_arrives(
        self,
        listener: Listener,
        host: Config,
        segment: Segment,
        local: Endpoint,
        remote: Endpoint,
        now: int,
    ) -> tuple[bool, FastOpen | None]:
        """A SYN has come: may its data be taken now, and what does our SYN-ACK carry (4.2.2)?"""
        limit = listener.config.fast_open_backlog
        if limit == 0 and host.fast_open_every_listener:
            limit = listener.backlog
        if limit <= 0 or not host.fast_open_server:
            return False, None
        option = find_fast_open(segment.options)
        if option is not None and option.cookie and not option.valid:
            option = None
        if option is None and not segment.length:
            return False, None
        if not listener.early.room(limit, now):
            return False, None
        if not (host.fast_open_needs_cookie and listener.config.fast_open_needs_cookie):
            return True, None
        if option is None:
            return False, None
        keys = listener.config.fast_open_key or self.keys
        newest = self.cookie(keys[:KEY], remote.address, local.address)
        answer = FastOpen(True, newest, option.experimental)
        if not option.cookie:
            return False, answer
        if self._shown(newest, listener.config.fast_open_psk) == option.cookie:
            return True, None
        if len(keys) > KEY:
            older = self.cookie(keys[KEY:], remote.address, local.address)
            if self._shown(older, listener.config.fast_open_psk) == option.cookie:
                return True, answer
        return False, answer

    def _shown(self, cookie: bytes, secret: bytes) -> bytes:
        """Return what a client shows for a cookie, where the two share a secret."""
        return siphash(secret, cookie).to_bytes(8, "little") if secret else cookie

    # -- the client -----------------------------------------------------------------------------

    def syn_leaves(self, tcb: Tcb, host: Config, now: int) -> FastOpen | None:
        """Return what the SYN of a connection carries: a cookie and data, or a request (4.1.3)."""
        local, remote = tcb.local, tcb.remote
        if not self._is_wanted(local.address, remote, now):
            return None
        known = self.servers.get(local.address + remote.address)
        mss = tcb.mtu - tcb.headers
        if known is not None and 0 < known.mss < mss:
            mss = known.mss
        if 0 < tcb.config.mss_limit < mss:
            mss = tcb.config.mss_limit
        room = max(mss - _OPTIONS, 0)
        if not (tcb.config.fast_open_sends_cookie and host.fast_open_sends_cookie):
            return FastOpen(False, limit=room)
        if known is not None and known.cookie:
            shown = self._shown(known.cookie, tcb.config.fast_open_psk)
            return FastOpen(True, shown, known.experimental, room)
        experimental = known is not None and known.form == 1
        return FastOpen(True, b"", experimental)

    def _is_wanted(self, local: bytes, remote: Endpoint, now: int) -> bool:
        if now < self.paused_until:
            return False
        until = self.refused.get(_path(local, remote))
        return until is None or until <= now

    def look(self, tcb: Tcb, now: int) -> None:
        """A connection with Fast Open has something to tell: an answer, or another timeout."""
        part = tcb.fast_open
        if part is None or tcb.passive:
            return
        if part.answered:
            part.answered = False
            if part.granted or tcb.syn_data_taken:
                self.pauses = 0
            self._learn(tcb, part, now)
        elif tcb.retries == _TIMEOUTS and not part.blackhole:
            part.blackhole = True
            self._pause(tcb.config, now)

    def _learn(self, tcb: Tcb, part: FastOpen, now: int) -> None:
        known = self._known(tcb)
        known.mss = part.peer_mss or tcb.peer_mss
        if part.granted:
            known.cookie = part.granted
            known.experimental = part.granted_experimental
            known.form = 0
            self.refused.pop(_path(tcb.local.address, tcb.remote), None)
            return
        if not part.offers or tcb.syn_data_taken:
            return
        if not part.cookie and not part.resent and tcb.config.fast_open_experimental:
            known.form = 2 if part.experimental else max(known.form, 1)
        if part.cookie and not part.carried:
            return  # shown without data: neither taken nor refused
        if tcb.config.fast_open_refused_for:
            known.cookie = b""
            self._refused(tcb, now)

    def _known(self, tcb: Tcb) -> Known:
        key = tcb.local.address + tcb.remote.address
        known = self.servers.pop(key, None) or Known()
        while len(self.servers) >= MOST_SERVERS:
            self.servers.popitem(last=False)
        self.servers[key] = known
        return known

    def _refused(self, tcb: Tcb, now: int) -> None:
        key = _path(tcb.local.address, tcb.remote)
        self.refused.pop(key, None)
        while len(self.refused) >= MOST_SERVERS:
            self.refused.popitem(last=False)
        self.refused[key] = now + tcb.config.fast_open_refused_for

    def _pause(self, config: Config, now: int) -> None:
        """Something on the way eats such connections: nobody has them for a while (7.1)."""
        if config.fast_open_blackhole_timeout and now >= self.paused_until:
            self.paused_until = now + (config.fast_open_blackhole_timeout << self.pauses)
            self.pauses = min(self.pauses + 1, _MOST_PAUSES)


def _path(local: bytes, remote: Endpoint) -> bytes:
    """Return the key of a refusal: that is a service's, not a host's (4.1.3.1)."""
    return local + remote.address + remote.port.to_bytes(2, "big")
