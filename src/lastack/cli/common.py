"""What the commands share: words on the command line, JSON lines, language.

A probability is `0.05` or `5%`; a time is `20ms`, `1.5s`, `2min` (a bare number is seconds); a rate
is `10mbit` (a bare number is bits per second); a size is `4k`, `1MiB` (`k` alone is 1024).
"""

import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final, TypeVar

import click

from lastack.cli.spoken import language_option
from lastack.tcp.states import State, linux_name, state_named
from lastack.units import MINUTE, MS, NS, SECOND, US

SCHEMA: Final = 1

_TIME_UNITS: Final = {
    "": SECOND, "ns": NS, "us": US, "µs": US, "ms": MS, "s": SECOND, "sec": SECOND,
    "m": MINUTE, "min": MINUTE, "h": 60 * MINUTE,
}  # fmt: skip
_RATE_UNITS: Final = {
    "": 1, "bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9,
    "bps": 8, "kbps": 8 * 10**3, "mbps": 8 * 10**6, "gbps": 8 * 10**9,
}  # fmt: skip
_SIZE_UNITS: Final = {
    "": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mib": 1 << 20, "g": 1 << 30,
    "gib": 1 << 30, "kb": 10**3, "mb": 10**6, "gb": 10**9,
}  # fmt: skip
_QUANTITY: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-zµ]*)\s*", re.IGNORECASE)


def _quantity(text: str, units: Mapping[str, int], what: str, example: str) -> int:
    """Return a number with its unit in whole smallest units, computed exactly and rounded once."""
    from fractions import Fraction  # rarely needed

    found = _QUANTITY.fullmatch(text)
    unit = found[2].lower() if found else ""
    if found is None or unit not in units:
        raise ValueError(f"{text!r} is no {what}; write it as {example}")
    return round(Fraction(found[1]) * units[unit])


def parse_time(text: str) -> int:
    """Return the nanoseconds of `20ms`, `1.5s`, `2min`; a bare number is seconds."""
    return _quantity(text, _TIME_UNITS, "time", "20ms, 1.5s or 2min")


def parse_rate(text: str) -> int:
    """Return the bits per second of `10mbit` (or, in octets, `1mbps`, as tc has it)."""
    return _quantity(text, _RATE_UNITS, "rate", "10mbit or 1gbit")


def parse_size(text: str) -> int:
    """Return the octets of `4k`, `1MiB`, `1MB`, `1500`."""
    return _quantity(text, _SIZE_UNITS, "size", "4k, 1MiB or 1500")


def parse_probability(text: str) -> float:
    """Return a probability from `0.05` or `5%`."""
    number, percent = text.strip(), text.strip().endswith("%")
    try:
        value = float(number[:-1]) / 100 if percent else float(number)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{text!r} is no probability; write it as 0.05 or 5%")
    return value


def parse_link(text: str) -> tuple[str, str]:
    """Return ("tun", NAME) for `tun:NAME` and ("memory", "") for `memory`."""
    kind, _, name = text.partition(":")
    if text == "memory" or (kind == "tun" and 0 < len(name) <= 15 and "/" not in name):
        return kind, name
    raise ValueError(f"{text!r} is no link; write it as tun:NAME (up to 15 letters) or memory")


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.4
    """A click parameter type made of a function that raises ValueError with a sentence."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed value, or fail with the function's sentence."""
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class StateName(click.ParamType):  # type: ignore[type-arg]
    """A state in any common spelling; completes the eleven."""

    name = "state"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> State:
        """Return the State, or fail naming the eleven."""
        if isinstance(value, State):
            return value
        try:
            return state_named(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Return the states that begin so."""
        from click.shell_completion import CompletionItem

        wanted = incomplete.upper().replace("_", "-")
        return [CompletionItem(str(state)) for state in State if str(state).startswith(wanted)]


TIME: Final = Parsed("time", parse_time)
RATE: Final = Parsed("rate", parse_rate)
SIZE: Final = Parsed("size", parse_size)
PROBABILITY: Final = Parsed("probability", parse_probability)
LINK: Final = Parsed("link", parse_link)
STATE: Final = StateName()

_Command = TypeVar("_Command", bound=Callable[..., Any])


def lang_option(command: _Command) -> _Command:
    """Add `--lang en|zh`."""
    return language_option(command, True, "Language of the text.")


def json_option(command: _Command) -> _Command:
    """Add `--json` as the parameter `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="One JSON object a line (docs/json.md)."
    )(command)


def ascii_option(command: _Command) -> _Command:
    """Add `--ascii` as the parameter `ascii_only`."""
    return click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII alone.")(
        command
    )


def names_option(command: _Command) -> _Command:
    """Add `--names rfc|linux`."""
    return click.option(
        "--names",
        type=click.Choice(["rfc", "linux"]),
        default="rfc",
        show_default=True,
        help="How states are spelled.",
    )(command)


_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


def undisturbed() -> None:
    """From now on SIGTERM and SIGHUP change nothing: what was made is being removed."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP leave it as Ctrl-C does: what was made is removed."""

    def leave(number: int, _: object) -> None:
        undisturbed()
        raise SystemExit(128 + number)

    before = {
        number: signal.signal(number, leave)
        for number in _ENDING
        if signal.getsignal(number) is not signal.SIG_IGN  # as nohup has it
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def seed_option(command: _Command) -> _Command:
    """Add `--seed`, a whole number that fixes all chance."""
    return click.option(
        "--seed", type=int, default=1, show_default=True, help="Same seed, same output."
    )(command)


def record_option(command: _Command) -> _Command:
    """Add `--record FILE`."""
    return click.option(
        "--record",
        type=click.Path(dir_okay=False, writable=True),
        metavar="FILE",
        help="Write every packet to FILE (pcapng).",
    )(command)


def preset_option(default: str) -> Callable[[_Command], _Command]:
    """Add `--preset rfc|linux|freebsd` with this default."""
    return click.option(
        "--preset",
        type=click.Choice(["rfc", "linux", "freebsd"]),
        default=default,
        show_default=True,
        help="Whose knobs.",
    )


def spelled(state: State | None, names: str = "rfc") -> str:
    """Return a state as `--names` asks; "" for an unknown one."""
    if state is None:
        return ""
    return linux_name(state) if names == "linux" else str(state)


def _plain(value: object) -> object:
    """Return what JSON shall say: states and other names in words, octets in hexadecimal digits."""
    if isinstance(value, Enum):
        return str(value) if isinstance(value, State) else str(value).lower()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value


def json_line(kind: str, **values: object) -> str:
    """Return one line of JSON: `{"schema": 1, "type": kind, ...}`, without the newline."""
    import json  # not all commands have data to print

    record: dict[str, object] = {"schema": SCHEMA, "type": kind}
    record.update((name, _plain(value)) for name, value in values.items())
    return json.dumps(record, ensure_ascii=False, separators=(", ", ": "))


def print_json(kind: str, **values: object) -> None:
    """Print one line of JSON on stdout."""
    click.echo(json_line(kind, **values))
