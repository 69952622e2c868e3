"""The group `lastack`: its commands are loaded when they are called, and its errors are sentences.

Exit codes: 0 all went well, 1 it did not, 2 the command line is wrong, 3 a privilege or a device is
missing. Data go to stdout, errors to stderr.
"""

import errno
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Final, NoReturn

import click

from lastack import __version__
from lastack.cli.spoken import Spoken, help_lang_option, language_in, said

FAILED: Final = 1
USAGE: Final = 2
NO_PRIVILEGE: Final = 3
INTERRUPTED: Final = 130

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "states": (
        "lastack.cli.states",
        "The eleven states: what each means, what ends it, who must act.",
    ),
    "demo": (
        "lastack.cli.demo",
        "Two TCPs talk over a lossy link, in virtual time; no root needed.",
    ),
    "serve": ("lastack.cli.serve", "Serve files over our own TCP through a TUN device."),
    "fetch": ("lastack.cli.fetch", "Fetch a URL over our own TCP through a TUN device."),
    "compete": (
        "lastack.cli.compete",
        "Congestion controllers, yours too, share a bottleneck in virtual time.",
    ),
    "read": (
        "lastack.cli.read",
        "What captures hold: both ends of every connection, state by state.",
    ),
    "script": ("lastack.cli.script", "Run packetdrill scripts against our own TCP."),
    "check": ("lastack.cli.check", "Ask any TCP of yours whether it does what RFC 9293 says."),
    "watch": (
        "lastack.cli.watch",
        "The kernel's own TCP sockets: counts by state, top talkers, live or once.",
    ),
    "why": (
        "lastack.cli.why",
        "Why sockets of the kernel are in a state: who holds them, who must act.",
    ),
    "completion": ("lastack.cli.completion", "Print what makes a shell complete our words."),
}
"""Each command: the module that has it under its own name, and its one line in `--help`."""

_PRIVILEGE_ERRORS: Final = frozenset((errno.EPERM, errno.EACCES, errno.ENODEV, errno.ENXIO))


def _is_present(name: str) -> bool:
    """Whether there is such a command in this installation; imports nothing but its package."""
    return name in COMMANDS and find_spec(COMMANDS[name][0]) is not None


class LazyGroup(Spoken, click.Group):
    """A group that imports a command's module only when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of COMMANDS."""
        return [name for name in COMMANDS if _is_present(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if not _is_present(cmd_name):
            return None
        module = import_module(COMMANDS[cmd_name][0])
        found: click.Command = getattr(module, cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list for `--help` without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, line) for name, (_, line) in COMMANDS.items() if _is_present(name)]
            )


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 well, 1 failed, 2 wrong usage, 3 a privilege or device is missing. "
    'Completion: eval "$(lastack completion bash)".',
)
@click.version_option(__version__, prog_name="lastack")
@help_lang_option
def lastack() -> None:
    """TCP you can see, run, rehearse and prove."""


def _leave(message: str, code: int) -> NoReturn:
    print(f"lastack: {message}", file=sys.stderr)
    raise SystemExit(code)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and leave the process with its exit code."""
    language = language_in(sys.argv[1:] if arguments is None else arguments, os.environ)
    try:
        result = lastack.main(arguments, prog_name="lastack", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        raise SystemExit(USAGE) from None
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "lastack"
        _leave(said(f"{error.format_message()} (see {where} --help)", language), USAGE)
    except click.ClickException as error:
        _leave(said(error.format_message(), language), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAILED) from None
    except OSError as error:
        code = NO_PRIVILEGE if error.errno in _PRIVILEGE_ERRORS else FAILED
        why = said(str(error.strerror or error), language)
        if error.filename:
            why += f"{'：' if language == 'zh' else ': '}{error.filename}"
        _leave(why, code)
    raise SystemExit(result if isinstance(result, int) else 0)
