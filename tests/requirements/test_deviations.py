"""docs/deviations.md: every knob in which the presets differ, with the values they have."""

import re
from dataclasses import fields

import marks
import pytest
from peer import Peer

from lastack.tcp.config import PRESETS, Config, preset
from lastack.tcp.states import State
from lastack.units import HOUR, MINUTE, MS, NEVER, SECOND

PAGE = marks.ROOT / "docs" / "deviations.md"
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
UNITS = ((HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (MS, "ms"))


def shown(value: object) -> str:
    """Return a knob's value as the page has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " to ".join(map(str, value))
    if not isinstance(value, int):
        return str(value)
    if value == NEVER:
        return "never"
    if value and value % (1 << 20) == 0:
        return f"{value >> 20} MiB"
    for unit, name in UNITS:
        if value and value % unit == 0:
            return f"{value // unit} {name}"
    return str(value)


def values(knob: str) -> tuple[str, ...]:
    return tuple(shown(getattr(config, knob)) for config in PRESETS.values())


def test_every_knob_in_which_presets_differ_is_explained() -> None:
    """What each preset does, and why."""
    rows = {row[0]: row for row in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    assert list(PRESETS) == ["rfc", "linux", "freebsd"]
    for knob in (field.name for field in fields(Config)):
        if len(set(values(knob))) > 1:
            assert knob in rows, f"docs/deviations.md does not say why {knob} differs"
    for knob, *said in rows.values():
        assert tuple(said[:3]) == values(knob), f"docs/deviations.md: {knob}"
        assert said[3].endswith(".")


@pytest.mark.parametrize(("name", "seconds"), [("rfc", 180), ("linux", 127), ("freebsd", 75)])
def test_how_long_each_preset_tries_to_open(name: str, seconds: int) -> None:
    """The page's first row: only `rfc` gives a SYN three minutes."""
    peer = Peer(preset(name).replace(strict=True))
    peer.connection.open_active(peer.now)
    peer.pull()
    began = peer.now
    while peer.connection.state is not State.CLOSED:
        peer.waits_for_timer()
    assert (peer.now - began) // SECOND == seconds


def test_the_page_speaks_of_ids_that_exist() -> None:
    """A slip of the pen would send the reader nowhere."""
    from lastack.requirements import requirements

    assert set(marks.ID.findall(PAGE.read_text(encoding="utf-8"))) <= set(requirements())
