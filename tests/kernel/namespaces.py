"""A network namespace for one test: whatever is opened or started while it is entered is in it."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lastack.link.kernel_side import KernelSide

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """The network namespace that this thread, and all that it starts, is in."""

    def run(self, *command: str, timeout: float = 60.0) -> str:
        """Run a command in it and return what it prints; raises when it fails."""
        done = subprocess.run(
            command, timeout=timeout, check=True, text=True, stdout=subprocess.PIPE
        )
        return done.stdout


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


@contextmanager
def entered_namespace() -> Iterator[Namespace]:
    """Enter a fresh namespace, its loopback up; leave it at the end, and with that remove it.

    Raises OSError where that is not permitted.
    """
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _system_call(_libc.unshare(CLONE_NEWNET))
        try:
            with KernelSide("lo", []):
                yield Namespace()
        finally:
            _system_call(_libc.setns(before, CLONE_NEWNET))
    finally:
        os.close(before)
