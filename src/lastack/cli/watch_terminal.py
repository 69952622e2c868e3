"""The terminal of the live view: it may be closed at any moment, even while it is drawn on."""

from contextlib import suppress
from typing import IO, Any

from textual.drivers.linux_driver import LinuxDriver


class Terminal(LinuxDriver):  # type: ignore[misc, unused-ignore]
    """Textual's terminal, whose end is not that of its writer.

    Textual writes in a thread; should that end at the error of a terminal that is gone, all who
    write would wait for it for ever, and the view would outlive its terminal.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._file: Any = _Lasting(self._file)


class _Lasting:
    """A file; what is written to it after its end goes nowhere."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write, as long as there is somebody to read it."""
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        """Flush, as long as there is somebody to read it."""
        with suppress(OSError):
            self._file.flush()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._file.fileno()
