"""Reading and playing scripts: the way in."""

from collections.abc import Mapping
from typing import Any

from lastack.script.calls import Calls
from lastack.script.model import Script
from lastack.script.parse import load
from lastack.script.play import Play, Settings
from lastack.script.scan import Malformed, Unsupported
from lastack.script.stage import Stage
from lastack.script.subject import Subject
from lastack.script.symbols import Unknown
from lastack.script.system import System
from lastack.script.verdict import Mismatch, Outcome, Verdict
from lastack.tcp.config import Config, preset
from lastack.units import MS, SECOND


def run_file(path: str, settings: Settings) -> Outcome:
    """Read and play a script; a file that cannot be read or is malformed has failed."""
    try:
        script = load(path, settings.defined)
    except Malformed as error:
        return Outcome(path, Verdict.FAILED, f"malformed: {error.reason}", error.line)
    except Unsupported as error:
        return Outcome(path, Verdict.SKIPPED, str(error), error.line)
    except OSError as error:
        return Outcome(path, Verdict.FAILED, error.strerror or str(error))
    return run(script, settings)


def run(script: Script, settings: Settings) -> Outcome:
    """Play a script in a fresh world and return the verdict."""
    try:
        config = preset(settings.preset or script.dialect or "rfc")
        config = with_knobs(config.replace(strict=True), settings.knobs)
        config = with_knobs(config, script.header.knobs)
    except ValueError as error:
        return Outcome(script.path, Verdict.FAILED, f"malformed: {error}", 1)
    play = Play(script, in_virtual_time(script, config, settings), settings)
    try:
        play.play()
    except Mismatch as error:
        return Outcome(
            script.path,
            Verdict.FAILED,
            error.reason,
            play.line,
            error.expected,
            error.actual,
            play.trace(),
        )
    except Unknown as error:
        return Outcome(script.path, Verdict.SKIPPED, str(error), play.line)
    except Exception as error:  # our own mistake: with `strict`, the stack raises
        reason = f"the stack raised {type(error).__name__}: {error}"
        return Outcome(script.path, Verdict.FAILED, reason, play.line, trace=play.trace())
    return Outcome(script.path, Verdict.PASSED, trace=play.trace())


def in_virtual_time(script: Script, config: Config, settings: Settings) -> Subject:
    """Return a fresh stack of ours, with nothing but the script around it."""
    calls = Calls(Stage(script.header, config, settings.seed), script.header)
    return Subject(calls.stage, calls, System(calls, script.path))


def with_knobs(config: Config, knobs: Mapping[str, str]) -> Config:
    """Return a Config with some knobs set from text: `msl=2s`, `sack=0`. Raises ValueError."""
    units = {"ns": 1, "us": 1000, "ms": MS, "s": SECOND, "min": 60 * SECOND}
    changes: dict[str, Any] = {}
    for name, text in knobs.items():
        present = getattr(config, name, None)
        if isinstance(present, bool):
            changes[name] = text not in ("0", "no", "False", "false")
        elif isinstance(present, int):
            digits = text.rstrip("nusmi")
            changes[name] = round(float(digits) * units.get(text[len(digits) :] or "ns", 1))
        elif isinstance(present, str):
            changes[name] = text
        else:
            raise ValueError(f"no knob {name!r}")
    return config.replace(**changes)
