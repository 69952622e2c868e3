"""What a script's run comes to."""

from dataclasses import dataclass, field
from enum import Enum

from lastack.script.trace import Trace


class Verdict(Enum):
    """passed, failed, or skipped because something in the script cannot be had here."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return self.value


@dataclass
class Outcome:
    """The verdict on one script, and why; `trace` is what happened up to there, a line each."""

    path: str
    verdict: Verdict
    reason: str = ""
    line: int = 0
    expected: str = ""
    actual: str = ""
    trace: Trace = field(default_factory=Trace)

    def report(self, lines: int = 24) -> str:
        """Return the outcome in lines: the reason, both sides, the rule, the end of the trace."""
        where = f"{self.path}:{self.line}" if self.line else self.path
        words = [f"{where}: {self.verdict}" + (f": {self.reason}" if self.reason else "")]
        if self.expected:
            words.append(f"  expected  {self.expected}")
        if self.actual:
            words.append(f"  actual    {self.actual}")
        if self.verdict is Verdict.FAILED and self.trace.rule:
            words.append(f"  rule      {self.trace.rule}")
        if self.verdict is Verdict.FAILED and self.trace and lines:
            if len(self.trace) > lines:
                words.append(f"  ... {len(self.trace) - lines} lines before")
            words.extend(f"  {line}" for line in self.trace[-lines:])
        return "\n".join(words)


class Mismatch(Exception):  # it ends a run, it is no mistake of ours
    """The script and the stack part ways."""

    def __init__(self, reason: str, expected: str = "", actual: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.expected = expected
        self.actual = actual
