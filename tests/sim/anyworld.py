"""Worlds drawn from a seed: any link, any knobs, any conversation."""

from random import Random
from typing import Any

from ends import octets

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.tcp.config import preset
from lastack.units import MS

SWITCHES = (
    "sack",
    "dsack",
    "timestamps",
    "window_scale",
    "nagle",
    "delayed_ack",
    "limited_transmit",
)
PATIENT: dict[str, Any] = {
    "strict": True,
    "r2": 10**15,
    "syn_r2": 10**15,
    "retries": 0,
    "syn_retries": 0,
    "syn_ack_retries": 0,
}
SIZES = (0, 1, 1000, 30_000, 100_000)


def any_world(seed: int) -> Conversation:
    """Return a conversation that has not begun; the same seed gives the same one."""
    chance = Random(seed)
    knobs = dict(PATIENT)
    knobs.update({name: False for name in SWITCHES if chance.random() < 0.2})
    if chance.random() < 0.3:
        knobs["send_buffer"] = chance.choice([500, 3000, 30_000])
        knobs["receive_buffer"] = chance.choice([500, 2000, 20_000])
    queue = {}
    if chance.random() < 0.3:
        queue = {
            "rate": chance.choice([100_000, 1_000_000, 10_000_000]),
            "queue": chance.choice([0, 3, 10]),
        }
    pair = TwoHosts(
        seed,
        loss=chance.random() * 0.2,
        reorder=chance.random() * 0.3,
        duplicate=chance.random() * 0.3,
        corrupt=chance.random() * 0.1,
        jitter=chance.choice([0, 5 * MS, 50 * MS]),
        delay=chance.choice([0, MS, 10 * MS, 300 * MS]),
        mtu=chance.choice([576, 1280, 1500, 9000]),
        config=preset(chance.choice(["rfc", "linux", "freebsd"])).replace(**knobs),
        **queue,
    )
    first = chance.choice([(True, False), (False, True), (True, True)])
    return Conversation(
        pair,
        octets(seed, chance.choice(SIZES)),
        octets(seed + 1, chance.choice(SIZES)),
        left_closes_first=first[0],
        right_closes_first=first[1],
        simultaneous=chance.random() < 0.3,
    )
