"""tracefs in a mount namespace of its own: nothing of the machine's own view is touched."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACE = "/sys/kernel/tracing"
_MOUNT = f"[ -d {PLACE}/instances ] || mount -t tracefs none {PLACE}"


def why_no_tracefs() -> str:
    """Say why it cannot be had; "" when it can."""
    done = subprocess.run(["unshare", "-m", "sh", "-c", _MOUNT], capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


def with_tracefs(*command: str) -> list[str]:
    """Return the command that runs another one where tracefs is mounted, as the same process."""
    return ["unshare", "-m", "sh", "-c", f'{_MOUNT}; exec "$@"', "sh", *command]


@contextmanager
def mounted_tracefs() -> Iterator[Path]:
    """Mount it and return where it can be seen from here."""
    holding = with_tracefs("sh", "-c", "echo ready; exec cat")
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"ready\n"
            yield Path(f"/proc/{holder.pid}/root{PLACE}")
        finally:
            holder.kill()
