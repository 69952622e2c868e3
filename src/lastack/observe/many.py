"""Captures over many processes: one capture each, or one capture shared out by connection.

Every process is started anew (spawn) and is given plain values, so this works wherever Python does.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Final, TypeVar

from lastack.observe.captures import Capture
from lastack.observe.reading import MOST_OPEN, Observer
from lastack.observe.sources import Notice
from lastack.observe.summary import Summary, Wanted
from lastack.wire.capture import CaptureError

WORTH_SHARING: Final = 16 << 20
"""Octets of a capture from which on a second process pays."""

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


def cores() -> int:
    """Return how many processes can run at the same time here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes(count: int) -> Executor:
    """Return so many processes, started anew; what it takes is loaded when it is needed."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(count, get_context("spawn"))


def each(
    work: Callable[[_Given], _Result], given: Sequence[_Given], jobs: int
) -> Iterator[_Result]:
    """Return what a function of a module makes of each, in order, by `jobs` processes."""
    if jobs <= 1 or len(given) <= 1:
        yield from map(work, given)
        return
    with processes(min(jobs, len(given))) as pool:
        yield from pool.map(work, given)


class Question:
    """What is asked of captures: which connections, how many by name, in which order."""

    def __init__(
        self, wanted: Wanted, most: int = 20, sort: str = "number", most_open: int = MOST_OPEN
    ) -> None:
        self.wanted = wanted
        self.most = most
        self.sort = sort
        self.most_open = most_open


def summarize(
    capture: Capture,
    question: Question,
    share: int = 0,
    shares: int = 1,
    notice: Notice | None = None,
) -> Summary:
    """Read a capture, or one share of its connections, and return the summary.

    What is wrong with the file stands in the summary's `problem`. Raises OSError.
    """
    summary = Summary(capture.name, question.wanted, question.most, question.sort, shares)
    observer = Observer(max(1, question.most_open // shares), share=share, shares=shares)
    try:
        for flow in capture.flows(observer, notice):
            summary.add(flow)
    except CaptureError as error:
        summary.problem = str(error)
    scanner = observer.scanner
    summary.count_packets(
        int(scanner.packets), int(scanner.segments), scanner.skipped, observer.evicted
    )
    return summary


def summaries(
    captures: Sequence[Capture], question: Question, jobs: int, notice: Notice | None = None
) -> Iterator[Summary]:
    """Return the summary of each capture, in order; the same whatever `jobs` is."""
    if len(captures) == 1:
        yield _shared(captures[0], question, jobs, notice)
    elif jobs <= 1:
        for capture in captures:
            yield summarize(capture, question, notice=notice)
    else:
        given = [(capture, question, 0, 1) for capture in captures]
        yield from each(_summarize, given, jobs)


def _shared(capture: Capture, question: Question, jobs: int, notice: Notice | None) -> Summary:
    """Share one capture out: this process takes the first share itself."""
    if jobs <= 1 or not capture.again or capture.size < WORTH_SHARING:
        return summarize(capture, question, notice=notice)
    with processes(jobs - 1) as pool:
        others = [
            pool.submit(_summarize, (capture, question, share, jobs)) for share in range(1, jobs)
        ]
        whole = summarize(capture, question, 0, jobs, notice)
        for other in others:
            whole.merge(other.result())
    whole.renumber()
    return whole


def _summarize(given: tuple[Capture, Question, int, int]) -> Summary:
    return summarize(*given)
