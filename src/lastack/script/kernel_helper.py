"""A thread for the system calls that may block, there before it is needed: we play on the beat."""

import threading
from contextlib import suppress
from queue import SimpleQueue

from lastack.script.live import LiveScene, hurry
from lastack.script.subject import Attempt


class Job:
    """A system call that is being made; `ended` is when it was over, in the script's time."""

    def __init__(self, work: Attempt) -> None:
        self.work = work
        self.over = False
        self.ended = 0
        self.result = -1
        self.error: Exception | None = None

    def outcome(self) -> int:
        """Return the result, or raise what was raised."""
        if self.error is not None:
            raise self.error
        return self.result


class Helper(threading.Thread):
    """Makes one call after the other; the scene is woken at the end of each."""

    def __init__(self, scene: LiveScene) -> None:
        super().__init__(daemon=True)
        self.busy = False
        self._scene = scene
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._ready = threading.Event()
        self.start()
        self._ready.wait()

    def begin(self, work: Attempt) -> Job:
        """Make a call, and return at once."""
        job = Job(work)
        self.busy = True
        self._jobs.put(job)
        return job

    def run(self) -> None:
        """Make the calls until there is no more to do."""
        hurry()
        self._ready.set()
        while (job := self._jobs.get()) is not None:
            try:
                job.result = job.work()
            except Exception as error:  # raised where the script is
                job.error = error
            job.ended = self._scene.real_time()
            job.over = True
            self.busy = False
            with suppress(OSError):
                self._scene.wake()

    def close(self) -> None:
        """End it, unless it blocks for ever."""
        self._jobs.put(None)
        self.join(1.0)
