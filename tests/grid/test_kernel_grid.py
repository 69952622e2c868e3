"""The grid on the machine's kernel, over a TUN device: every difference is known, and why."""

import os
from collections.abc import Iterator

import kernel_side
import pytest
from by_hand import KERNEL_V4
from cells import HERE, Cell, Outcome, Table, read_differences, tables, wanted
from namespaces import entered_namespace, why_not

from lastack.link.kernel_side import KernelSide
from lastack.link.tun import TunLink

pytestmark = pytest.mark.kernel

LISTED = read_differences(HERE / "kernel_differences.txt")
TABLES = tables()
TRIES = 3
"""A machine that is busy answers late: what is not as listed is played again, alone."""
BATCH = 16
FIRST_PORT = 20000


def listed(cell: Cell) -> Outcome:
    """What this kernel is known to do."""
    return LISTED.cells.get((cell.table, cell.kind), wanted(cell))


class Ports:
    """Ports that no cell has used."""

    def __init__(self) -> None:
        self.next = FIRST_PORT

    def take(self, count: int) -> int:
        first, self.next = self.next, self.next + count
        return first


@pytest.fixture(scope="module")
def playground() -> Iterator[tuple[kernel_side.Wire, Ports]]:
    """A device in a namespace of its own, for all cells."""
    release = ".".join(os.uname().release.split(".")[:2])
    if reason := why_not():
        pytest.skip(reason)
    if release != LISTED.about["kernel"]:
        pytest.skip(f"the differences are those of {LISTED.about['kernel']}, this is {release}")
    with entered_namespace():
        link = TunLink("grid0")
        try:
            with KernelSide(link.name, [f"{KERNEL_V4}/24"]):
                yield kernel_side.Wire(link), Ports()
        finally:
            link.close()


def play(wire: kernel_side.Wire, ports: Ports, table: Table) -> dict[str, Outcome]:
    """Play a table: in batches, then one by one what was not as it is listed."""
    found: dict[str, Outcome] = {}
    left = table.cells
    for attempt in range(TRIES):
        size = BATCH if attempt == 0 else 1
        for at in range(0, len(left), size):
            batch = left[at : at + size]
            try:
                answers = [listed(cell).answer for cell in batch]
                found.update(kernel_side.play(wire, table, batch, ports.take(size), answers))
            except kernel_side.NotReached as reason:
                missing = Outcome("?", "?", str(reason))
                found.update({cell.kind: missing for cell in batch})
        left = [cell for cell in left if found[cell.kind] != listed(cell)]
    return found


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_kernel_differs_from_the_rfc_where_it_is_listed_and_nowhere_else(
    playground: tuple[kernel_side.Wire, Ports], table: Table
) -> None:
    """Each cell is as the table has it or as kernel_differences.txt says, with the reason."""
    found = play(*playground, table)
    wrong = [
        f"{cell.kind}: by the RFC {wanted(cell)}, listed {listed(cell)}, found {found[cell.kind]}"
        for cell in table.cells
        if found[cell.kind] != listed(cell)
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_only_differences_are_listed() -> None:
    """A cell that is as the RFC has it needs no excuse, and no excuse names a cell that is gone."""
    by_name = {(cell.table, cell.kind): cell for table in TABLES for cell in table.cells}
    assert not [name for name, found in LISTED.cells.items() if found == wanted(by_name[name])]
