"""Loss recovery over a network that drops, delays and bunches: rules that hold whatever happens."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig import MSS, Rig

from lastack.tcp.config import Config, preset
from lastack.tcp.recovery import Phase
from lastack.units import MS

RENO = {"congestion": "newreno", "retries": 0, "r2": 10**15}
LINUX = preset("linux").replace(**RENO)
RFC = preset("rfc").replace(initial_window=10, min_rto=200 * MS, **RENO)
FREEBSD = preset("freebsd").replace(**RENO)
ALL = {"linux": LINUX, "rfc": RFC, "freebsd": FREEBSD}
EVERYTHING = RFC.replace(
    rack=True, tail_loss_probe=True, prr=True, eifel=True, dsack_undo=True, frto=True,
    rto_restart=True,
)  # fmt: skip


@given(
    name=st.sampled_from(["linux", "rfc", "freebsd", "everything"]),
    options=st.sampled_from([{}, {"sack": False}, {"timestamps": False}, {"dsack": False},
                             {"sack": False, "timestamps": False}]),
    controller=st.sampled_from(["newreno", "cubic"]),
    lost=st.sets(st.integers(1, 260), max_size=60),
    late=st.dictionaries(st.integers(1, 260), st.integers(1 * MS, 120 * MS), max_size=30),
    ack_loss=st.sampled_from([0.0, 0.0, 0.1, 0.3]),
    bunch=st.sampled_from([1, 1, 4, 20]),
    tick=st.sampled_from([1, 1 * MS, 10 * MS]),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_recovery_ends_and_keeps_to_the_rules_of_sending(
    name: str,
    options: dict[str, bool],
    controller: str,
    lost: set[int],
    late: dict[int, int],
    ack_loss: float,
    bunch: int,
    tick: int,
    seed: int,
) -> None:
    """RFC 2018 8, RFC 5681, RFC 6675: see `rig`; the clock may be as coarse as 10 ms."""
    config = (ALL.get(name) or EVERYTHING).replace(**options).replace(congestion=controller)
    rig = Rig(config, drops=lambda n: n in lost, late=lambda n: late.get(n, 0), ack_loss=ack_loss,
              bunch=bunch, tick=tick, seed=seed)  # fmt: skip
    rig.transfer(120 * MSS)
    recovery = rig.left.tcb.recovery
    assert recovery is not None and recovery.phase is Phase.OPEN
    # What exceeds the window begins an episode, follows a timeout, or probes.
    assert rig.worst <= rig.left.tcb.retransmissions + 60


@pytest.mark.parametrize("tick", [1, MS, 10 * MS])
@pytest.mark.parametrize("options", [{}, {"timestamps": False}], ids=["", "no timestamps"])
def test_a_lost_retransmission_costs_no_timeout_with_rack(
    tick: int, options: dict[str, bool]
) -> None:
    """RFC 8985 6: as long as something else is under way."""
    rig = Rig(LINUX.replace(**options), drops=lambda n: n in (40, 60, 61), tick=tick)
    rig.transfer(300 * MSS)
    assert rig.left.tcb.tally.timeouts == 0


def lossy(seed: int) -> Callable[[int], bool]:
    chance = Random(seed)
    lost = {n for n in range(1, 2000) if chance.random() < 0.05}
    return lambda n: n in lost


def test_steady_loss_costs_hardly_a_timeout_with_rack() -> None:
    """RFC 8985 6: 5 % loss, where RFC 6675 waits for RTO whenever a retransmission is lost."""
    old = LINUX.replace(rack=False, tail_loss_probe=False)
    timeouts, took = [0, 0], [0, 0]
    for seed in range(12):
        for who, config in enumerate((LINUX, old)):
            rig = Rig(config, drops=lossy(seed))
            took[who] += rig.transfer(700 * MSS)
            timeouts[who] += rig.left.tcb.tally.timeouts
    assert timeouts[0] <= 3
    assert timeouts[1] >= 24
    assert took[0] < took[1]


@pytest.mark.parametrize("tick", [1, MS, 10 * MS])
@pytest.mark.parametrize("delay", [MS, 5 * MS, 20 * MS])
def test_reordering_makes_rack_send_little_again_by_any_clock(tick: int, delay: int) -> None:
    """RFC 8985 6.2: once seen, it is waited out; a clock too coarse for it changes nothing."""
    rig = Rig(LINUX, late=lambda n: delay // 3 if n % 10 == 3 else 0, tick=tick, delay=delay)
    rig.transfer(1000 * MSS)
    tcb = rig.left.tcb
    assert tcb.tally.timeouts == 0
    assert tcb.retransmissions <= 40


@pytest.mark.parametrize("tick", [1, MS, 10 * MS])
def test_the_loss_of_the_tail_costs_no_timeout_with_probes(tick: int) -> None:
    """RFC 8985 7: the last three of a hundred, by any clock."""
    config = LINUX.replace(timestamps=False)
    rig = Rig(config, drops=lambda n: 98 <= n <= 100, tick=tick)
    took = rig.transfer(100 * MSS)
    assert rig.left.tcb.tally.timeouts == 0
    without = Rig(config.replace(tail_loss_probe=False), drops=lambda n: 98 <= n <= 100, tick=tick)
    assert took < without.transfer(100 * MSS)


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize(
    ("options", "bunch"),
    [({"sack": False}, 1), ({"timestamps": False}, 1), ({}, 6), ({"sack": False}, 6)],
    ids=["no SACK", "no timestamps", "bunched ACKs", "bunched ACKs, no SACK"],
)
@pytest.mark.parametrize("losses", [1, 2, 3])
def test_a_loss_takes_a_round_trip_to_repair_whatever_the_peer_lacks(
    name: str, options: dict[str, bool], bunch: int, losses: int
) -> None:
    """RFC 6582 1: without SACK one lost segment a round trip, without a timeout."""
    config: Config = ALL[name].replace(**options)
    lost = set(range(60, 60 + 2 * losses, 2))
    rig = Rig(config, drops=lambda n: n in lost, bunch=bunch)
    rig.transfer(100 * MSS)
    assert rig.left.tcb.tally.timeouts == 0
    round_trip = 40 * MS + (10 * MS if bunch > 1 else 0)
    assert len(rig.repairs) == 1
    assert rig.repairs[0] <= losses * round_trip + 10 * MS


@pytest.mark.parametrize("also", ((19,), (20,), (19, 20), (18, 19, 20)))
def test_losses_near_the_end_cost_no_timeout_by_counting(also: tuple[int, ...]) -> None:
    """RFC 6675 4, NextSeg 3 and 4: holes with too little above them go again."""
    rig = Rig(Config(sack=True, initial_window=20), drops=lambda n: n in (5, *also))
    rig.transfer(20 * MSS)
    assert rig.left.tcb.tally.timeouts == 0
    assert rig.left.tcb.retransmissions <= 2 + len(also)


def test_a_small_rest_that_nagle_holds_back_keeps_no_hole_from_going_again() -> None:
    """What may not go is nothing new (RFC 6675 4, NextSeg 2 and 3)."""
    rig = Rig(Config(sack=True, initial_window=20), drops=lambda n: n in (5, 19))
    rig.transfer(20 * MSS + 10)
    assert rig.left.tcb.tally.timeouts == 0
