"""Network namespaces and devices for the tests that talk to the kernel.

`namespace` is a fresh network namespace, entered for the time of the test: whatever the test opens
or starts (sockets, threads, curl, ss) is in it. It vanishes with the test, however that ends.
`device` makes TUN devices in it with their kernel side set up.
"""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kernel.by_hand import KERNEL_V4, KERNEL_V6
from lastack.link.kernel_side import KernelSide
from lastack.link.tun import TunLink

HERE = Path(__file__).parent
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.kernel)


def why_not() -> str:
    """Say why tests with the kernel cannot run here; "" when they can."""
    if os.geteuid() != 0:
        return "needs root, to make a network namespace"
    if not os.path.exists("/dev/net/tun"):
        return "needs /dev/net/tun"
    return ""


def _system_call(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Namespace:
    """The network namespace that the test is in."""

    def run(self, *command: str, timeout: float = 60.0) -> str:
        """Run a command in it and return what it prints; raises when it fails."""
        done = subprocess.run(
            command, timeout=timeout, check=True, text=True, stdout=subprocess.PIPE
        )
        return done.stdout


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """Enter a fresh network namespace, with its loopback up, for one test."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            _system_call(_libc.unshare(CLONE_NEWNET))
        except OSError as error:
            pytest.skip(f"cannot make a network namespace: {error.strerror}")
        try:
            with KernelSide("lo", []):
                yield Namespace()
        finally:
            _system_call(_libc.setns(before, CLONE_NEWNET))
    finally:
        os.close(before)


DeviceMaker = Callable[..., TunLink]


@pytest.fixture
def device(namespace: Namespace) -> Iterator[DeviceMaker]:
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
