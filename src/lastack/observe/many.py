"""Captures over many processes: one capture each, or one capture shared out by connection.

Work and its results are plain values: processes here or on other machines may do it.
"""

import gc
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import chain, islice
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


class Workers(ABC):
    """Who reads captures: `count` at the same time; where they are `near`, this process is one."""

    def __init__(self, count: int, near: bool) -> None:
        self.count = count
        self.near = near

    @abstractmethod
    def executor(self, most: int) -> Executor:
        """Return what gives work to the others, `most` of them at the same time."""

    def only_here(self, count: int) -> bool:
        """Return whether so many captures are all read by this process."""
        return self.near and (self.count <= 1 or count <= 1)

    def each(
        self,
        work: Callable[[_Given], _Result],
        given: Sequence[_Given],
        done: Callable[[int], None] | None = None,
        most: int = 0,
    ) -> Iterator[_Result]:
        """Return what a function of a module makes of each, in order, done by the others.

        `done` hears, in this thread, the place of each that is done. At most `most` are begun and
        not yet taken, 0 for all.
        """
        waiting: deque[Future[_Result]] = deque()
        places: dict[Future[_Result], int] = {}
        left = enumerate(given)
        with self.executor(len(given)) as others:
            try:
                while True:
                    for place, one in islice(left, (most or len(given)) - len(waiting)):
                        waiting.append(others.submit(work, one))
                        places[waiting[-1]] = place
                    if not waiting:
                        return
                    while waiting[0] in places:
                        for ended in wait(places, return_when=FIRST_COMPLETED).done:
                            place = places.pop(ended)
                            if done is not None:
                                done(place)
                    yield waiting.popleft().result()
            finally:
                for unwanted in waiting:
                    unwanted.cancel()


class Processes(Workers):
    """Processes of this machine.

    Where that is safe, on Linux and as long as there is one thread, they are this one once more
    (fork) and begin at once; elsewhere each is started anew (spawn).
    """

    def __init__(self, count: int) -> None:
        super().__init__(count, near=True)

    def executor(self, most: int) -> Executor:
        """Return so many processes; what that takes is loaded when it is needed."""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        alone = sys.platform == "linux" and threading.active_count() == 1
        if alone:
            gc.freeze()  # what is here stays: no collector walks over it, here or in a copy
        return ProcessPoolExecutor(min(self.count, most), get_context("fork" if alone else "spawn"))


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
    captures: Sequence[Capture], question: Question, workers: Workers, notice: Notice | None = None
) -> Iterator[Summary]:
    """Return the summary of each capture, in order; the same whoever the workers are."""
    if len(captures) == 1:
        yield _shared(captures[0], question, workers, notice)
    elif workers.only_here(len(captures)):
        for capture in captures:
            yield summarize(capture, question, notice=notice)
    else:
        given = [(capture, question, 0, 1) for capture in captures]
        yield from workers.each(_summarize, given, done_notice(captures, notice))


def done_notice(
    captures: Sequence[Capture], notice: Notice | None, passes: int = 1
) -> Callable[[int], None] | None:
    """Return what tells of a capture's octets when it hears that the capture has been read."""
    if notice is None:
        return None
    return lambda place: notice(captures[place].size * passes)


def _shared(
    capture: Capture, question: Question, workers: Workers, notice: Notice | None
) -> Summary:
    """Share one capture out; where the workers are near, the first share is read here."""
    shares = workers.count if capture.again and capture.size >= WORTH_SHARING else 1
    here = 1 if workers.near else 0
    if shares == here:
        return summarize(capture, question, notice=notice)
    given = [(capture, question, share, shares) for share in range(shares)]
    with workers.executor(shares - here) as others:
        asked = [others.submit(_summarize, one) for one in given[here:]]
        parts = [summarize(capture, question, 0, shares, notice)] if here else []
        whole, *rest = chain(parts, (one.result() for one in asked))
    for part in rest:
        whole.merge(part)
    if rest:
        whole.renumber()
    return whole


def _summarize(given: tuple[Capture, Question, int, int]) -> Summary:
    return summarize(*given)
