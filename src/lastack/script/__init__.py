"""Packetdrill scripts played on our Stack: the script is the remote host and the user.

`load(path)` reads one, `run(script)` plays it in virtual time and returns an `Outcome`. No root, no
device, no clock.
"""

from lastack.script.model import Script
from lastack.script.parse import load, parse
from lastack.script.play import Settings
from lastack.script.run import run, run_file
from lastack.script.scan import Malformed, Unsupported
from lastack.script.verdict import Outcome, Verdict

__all__ = [
    "Malformed",
    "Outcome",
    "Script",
    "Settings",
    "Unsupported",
    "Verdict",
    "load",
    "parse",
    "run",
    "run_file",
]
