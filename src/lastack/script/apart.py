"""Scripts on the real clock: each in a network namespace of its own, in a process apart.

They mostly wait, so many of them run side by side. A namespace ends with the process that is in it,
or with the next one that this process makes.
"""

import ctypes
import errno
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final

from lastack.errors import device_error
from lastack.script.live import hurry
from lastack.script.play import TOO_LATE, Settings
from lastack.script.run import run_file
from lastack.script.verdict import Outcome

_CLONE_NEWNET: Final = 0x40000000
_JOBS: Final = 12
_TRIES: Final = 3
"""How often a script is played at most when we are too late for it ourselves."""

_libc = ctypes.CDLL(None, use_errno=True)


def run_apart(paths: Iterable[str], settings: Settings, jobs: int = 0) -> Iterator[Outcome]:
    """Play scripts, `jobs` at a time, and give the verdicts in the order of the paths.

    Raises DeviceUnavailable where a namespace or a device cannot be made.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(jobs or _JOBS, mp_context=context)
    try:
        yield from pool.map(partial(_run_one, settings=settings), paths)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run_one(path: str, settings: Settings) -> Outcome:
    hurry()
    for _ in range(_TRIES - 1):
        enter_fresh_namespace()
        outcome = run_file(path, settings)
        if outcome.reason != TOO_LATE:
            return outcome
    enter_fresh_namespace()
    return run_file(path, settings)


def enter_fresh_namespace() -> None:
    """Leave this thread's network namespace for a new one, with nothing in it."""
    if _libc.unshare(_CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        sentence = f"making a network namespace failed: {os.strerror(code)}"
        if code == errno.EPERM:
            sentence = "making a network namespace is not permitted: run this as root (sudo)"
        raise device_error(code, sentence)
