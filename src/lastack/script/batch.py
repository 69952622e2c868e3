"""Many scripts in virtual time, on all cores; the verdicts come in the order of the paths."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from lastack.script.play import Settings
from lastack.script.run import run_file
from lastack.script.verdict import Outcome

_WORTH_IT: Final = 200
"""Scripts below which processes of their own take longer than they save."""
_AT_ONCE: Final = 25


def run_all(paths: Sequence[str], settings: Settings, jobs: int = 0) -> Iterator[Outcome]:
    """Play scripts in virtual time, each in a fresh world; `jobs` processes, 0 for one a core."""
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1 or len(paths) < _WORTH_IT:
        yield from (run_file(path, settings) for path in paths)
        return
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(jobs, mp_context=context)
    try:
        yield from pool.map(partial(run_file, settings=settings), paths, chunksize=_AT_ONCE)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def expected_to_fail(path: str) -> str:
    """Return why a script is expected to fail, "" when it is not.

    A file with the script's name and `.exfail` says so, in its first line if it has one.
    """
    script = Path(path)
    for beside in (script.with_suffix(".exfail"), script.with_name(script.name + ".exfail")):
        if beside.is_file():
            lines = beside.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return lines[0] if lines else f"{beside.name} says so"
    return ""
