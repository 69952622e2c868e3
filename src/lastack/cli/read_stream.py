"""`lastack read --stream N`: what the ends of a connection said, and on stderr what is missing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import click

from lastack.cli.main import FAILED
from lastack.cli.read_look import complained
from lastack.cli.read_one import find
from lastack.observe.captures import Capture
from lastack.observe.streams import What, streams_of
from lastack.view.capture_words import EVIDENCE
from lastack.view.stream_words import STREAM


def write_stream(
    capture: Capture, number: int, side: str, output: Path | None, most_open: int, lang: str
) -> int:
    """Write the stream of one side, or of both in the order of the capture.

    Returns the exit code: FAILED where the capture is damaged, or octets are missing.
    """
    words = STREAM[lang]
    if not capture.again:
        raise click.UsageError(EVIDENCE[lang]["once"])
    _, sought = find(capture, number, most_open, lang)
    code = 0
    with _opened(output) as (file, readable):
        for piece in streams_of(capture, number, sought, side, most_open):
            if piece.what is What.TEXT:
                file.write(for_the_eye(piece.data) if readable else piece.data)
                continue
            if piece.what in (What.GAP, What.MIDDLE):
                code = FAILED
            end, count, offset = piece.side.upper(), f"{piece.count:,}", f"{piece.offset:,}"
            line = words[piece.what].format(end=end, count=count, offset=offset)
            click.echo(f"lastack: {line}", err=True)
    return max(code, complained(str(sought.problem or ""), capture.name, lang))


def for_the_eye(data: bytes) -> bytes:
    """Return octets as a terminal may show them: a captured stream must not command it."""
    text = data.replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")
    return "".join(
        one if one in "\n\t" or one.isprintable() else one.encode("unicode_escape").decode()
        for one in text
    ).encode()


@contextmanager
def _opened(output: Path | None) -> Iterator[tuple[BinaryIO, bool]]:
    """Yield where to write, and whether that is a terminal."""
    with nullcontext(sys.stdout.buffer) if output is None else output.open("wb") as file:
        yield file, output is None and sys.stdout.isatty()
        file.flush()
