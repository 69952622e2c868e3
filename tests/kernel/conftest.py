"""Fixtures for the tests that talk to the kernel; all of them carry the mark `kernel`.

`namespace` is a fresh network namespace, entered for the time of the test: whatever the test opens
or starts (sockets, threads, curl, ss) is in it. It vanishes with the test, however that ends.
`device` makes TUN devices in it with their kernel side set up.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from by_hand import KERNEL_V4, KERNEL_V6
from namespaces import Namespace, entered_namespace, why_not

from lastack.link.kernel_side import KernelSide
from lastack.link.tun import TunLink

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.kernel)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """Enter a fresh network namespace, with its loopback up, for one test."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with ExitStack() as stack:
        try:
            entered = stack.enter_context(entered_namespace())
        except OSError as error:
            pytest.skip(f"cannot make a network namespace: {error.strerror}")
        yield entered


@pytest.fixture
def device(namespace: Namespace) -> Iterator[Callable[..., TunLink]]:
    """Return a maker of TUN devices: device(name="tun0", offload=True, mtu=1500, addresses=...)."""
    with ExitStack() as stack:

        def make(
            name: str = "tun0",
            offload: bool = True,
            mtu: int = 1500,
            addresses: tuple[str, ...] = (f"{KERNEL_V4}/24", f"{KERNEL_V6}/64"),
        ) -> TunLink:
            link = TunLink(name, mtu, offload)
            stack.callback(link.close)
            stack.enter_context(KernelSide(link.name, list(addresses), mtu))
            return link

        yield make
