"""Which sockets are meant, and who has most: by process, control group, peer, listener."""

from dataclasses import dataclass, field
from typing import Final

from lastack.observe.core.diag import KernelSocket
from lastack.observe.kernel_info import plain_address, text_of, values_in
from lastack.observe.watching import Look, Watching
from lastack.tcp.states import State, state_named
from lastack.wire.address import pack_address

_AFTER_A_FIN: Final = (State.CLOSE_WAIT, State.LAST_ACK, State.CLOSING)
KINDS: Final = ("process", "cgroup", "peer", "listener")


@dataclass
class Choice:
    """A choice of sockets: each field that is not empty must hold. `hosts` are packed addresses."""

    states: frozenset[State] = frozenset()
    ports: frozenset[int] = frozenset()
    hosts: frozenset[bytes] = frozenset()
    pids: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.states or self.ports or self.hosts or self.pids)

    def of(self, look: Look) -> list[KernelSocket]:
        """Return the sockets that are meant; a port or a host may be either end's."""
        return [each for each in look.sockets if self._means(each, look)]

    def _means(self, each: KernelSocket, look: Look) -> bool:
        if self.states and each.state not in self.states:
            return False
        if self.ports and not self.ports & {each.local_port, each.remote_port}:
            return False
        if self.hosts and not self.hosts & {plain_address(each.local), plain_address(each.remote)}:
            return False
        return not self.pids or any(h.pid in self.pids for h in look.holders.of(each.inode))


def choice_of(text: str) -> Choice:
    """Return the choice that words name: a state, `:443`, `pid:4127` or an address.

    Raises ValueError for a word that is none of them.
    """
    states, ports, hosts, pids = set(), set(), set(), set()
    for word in text.split():
        head, _, number = word.rpartition(":")
        if number.isdecimal() and head in ("", "port"):
            ports.add(int(number))
        elif number.isdecimal() and head == "pid":
            pids.add(int(number))
        elif word[0].isalpha() and ":" not in word:
            states.add(state_named(word))
        else:
            hosts.add(pack_address(word))
    return Choice(frozenset(states), frozenset(ports), frozenset(hosts), frozenset(pids))


@dataclass
class Talker:
    """A process, peer or listener: its sockets, and the octets that they have moved so far."""

    name: str
    sockets: int = 0
    octets_in: int = 0
    octets_out: int = 0
    states: dict[State, int] = field(default_factory=dict)


def talkers(chosen: list[KernelSocket], look: Look, watching: Watching) -> dict[str, list[Talker]]:
    """Return the talkers of each of KINDS, those with the most octets first, then most sockets.

    Octets are of text, once each, for as long as a connection is not yet in TIME-WAIT.
    """
    listened = {each.local_port for each in look.sockets if each.state is State.LISTEN}
    found: dict[str, dict[str, Talker]] = {kind: {} for kind in KINDS}
    for each in chosen:
        values = values_in(each.info) if each.state is not State.LISTEN else {}
        # The kernel counts the peer's FIN as an octet, too.
        received = values.get("bytes_received", 0) - (each.state in _AFTER_A_FIN)
        moved = max(received, 0), values.get("bytes_sent", 0) - values.get("bytes_retrans", 0)
        names = {
            "process": process_name(each, look, watching),
            "cgroup": watching.cgroups.path_of(each.cgroup),
        }
        if each.state is not State.LISTEN:
            port = 0 if each.local_port in listened else each.remote_port
            names["peer"] = text_of(each.remote, port).removesuffix(":*")
        if each.local_port in listened:
            names["listener"] = f"*:{each.local_port}"
        for kind, name in names.items():
            if name:
                mine = found[kind].setdefault(name, Talker(name))
                mine.sockets += 1
                mine.octets_in += moved[0]
                mine.octets_out += moved[1]
                mine.states[each.state] = mine.states.get(each.state, 0) + 1
    return {
        kind: sorted(each.values(), key=lambda t: (-t.octets_in - t.octets_out, -t.sockets, t.name))
        for kind, each in found.items()
    }


def process_name(each: KernelSocket, look: Look, watching: Watching) -> str:
    """Return `name[pid]` of who holds a socket; "" where unknown.

    Of who held or closed it, or of its control group alone, the name is in brackets.
    """
    holders = look.holders.of(each.inode)
    if holders:
        more = f" +{len(holders) - 1}" if len(holders) > 1 else ""
        return f"{holders[0].name}[{holders[0].pid}]{more}"
    owner = None if each.inode else watching.owner_of(each)
    if owner is not None:
        return f"({owner.name}[{owner.pid}])"
    group = watching.cgroups.path_of(each.cgroup).rpartition("/")[2]
    return f"({group})" if group else ""
