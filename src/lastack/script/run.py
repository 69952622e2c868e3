"""Reading and playing scripts: the way in."""

from collections.abc import Mapping
from typing import Any

from lastack.script.calls import Calls
from lastack.script.kernel_calls import KernelCalls
from lastack.script.kernel_machine import KernelMachine
from lastack.script.kernel_scene import KernelScene
from lastack.script.model import Script
from lastack.script.parse import load
from lastack.script.play import Against, Play, Settings
from lastack.script.scan import Malformed, Unsupported
from lastack.script.stage import Stage
from lastack.script.subject import Subject
from lastack.script.symbols import Unknown
from lastack.script.system import System
from lastack.script.tun_scene import TunScene
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
    if script.header.knobs and settings.against is Against.KERNEL:
        knobs = ", ".join(script.header.knobs)
        return Outcome(script.path, Verdict.SKIPPED, f"the kernel has no knob {knobs}", 1)
    subject = subject_of(script, config, settings)
    play = Play(script, subject, settings)
    try:
        for name, value in settings.sysctls.items():
            subject.machine.set(name, value)
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
    finally:
        subject.close()
    return Outcome(script.path, Verdict.PASSED, trace=play.trace())


def subject_of(script: Script, config: Config, settings: Settings) -> Subject:
    """Return what a script is to be played against, fresh, with nothing but the script around it.

    A real device needs a namespace of its own (see `apart`); raises DeviceUnavailable.
    """
    header = script.header
    if settings.against is Against.KERNEL:
        scene = KernelScene(header)
        machine = KernelMachine(script.path, settings.allow_shell)
        return Subject(scene, KernelCalls(scene, header, machine), machine)
    on_device = settings.against is Against.TUN
    stage = (TunScene if on_device else Stage)(header, config, settings.seed)
    calls = Calls(stage, header)
    return Subject(stage, calls, System(calls, script.path))


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
