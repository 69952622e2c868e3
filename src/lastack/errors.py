"""What lastack raises: each error of our caller is a `LastackError` and the matching `OSError`.

A peer never makes us raise. `error_for(errno)` makes the exception; its class is also the built-in
one (`ConnectionRefusedError`, `BlockingIOError` ...), so that code written for the kernel's sockets
catches it unchanged.
"""

import errno
from os import strerror


class LastackError(OSError):
    """The base of everything that lastack raises on purpose; `errno` says what went wrong."""


class WouldBlock(LastackError, BlockingIOError):
    """EAGAIN or EINPROGRESS: not now."""


class Refused(LastackError, ConnectionRefusedError):
    """ECONNREFUSED: the peer answered the SYN with a reset."""


class Reset(LastackError, ConnectionResetError):
    """ECONNRESET: the peer reset the connection."""


class Aborted(LastackError, ConnectionAbortedError):
    """ECONNABORTED: this side gave the connection up."""


class Broken(LastackError, BrokenPipeError):
    """EPIPE: sending after this side has closed, or after the connection has ended."""


class TimedOut(LastackError, TimeoutError):
    """ETIMEDOUT: R2, the user timeout or keep-alive ended the connection (RFC 9293 3.8.3)."""


class NotPermitted(LastackError, PermissionError):
    """EACCES or EPERM."""


class DeviceUnavailable(LastackError):
    """A device cannot be had or is gone; `strerror` is one sentence that says what to do."""


class DeviceNotPermitted(DeviceUnavailable, NotPermitted):
    """A device cannot be had without more privilege."""


class BrokenTableError(AssertionError):
    """Our own mistake: a cause came up in a state for which the transition table has no row."""


_CLASSES: dict[int, type[LastackError]] = {
    errno.EAGAIN: WouldBlock,
    errno.EINPROGRESS: WouldBlock,
    errno.EALREADY: WouldBlock,
    errno.ECONNREFUSED: Refused,
    errno.ECONNRESET: Reset,
    errno.ECONNABORTED: Aborted,
    errno.EPIPE: Broken,
    errno.ESHUTDOWN: Broken,
    errno.ETIMEDOUT: TimedOut,
    errno.EACCES: NotPermitted,
    errno.EPERM: NotPermitted,
}


def error_for(code: int, detail: str = "") -> LastackError:
    """Return (not raise) the exception for an errno; `detail` comes after the system's words."""
    text = strerror(code)
    return _CLASSES.get(code, LastackError)(code, f"{text}: {detail}" if detail else text)


def device_error(code: int, sentence: str) -> DeviceUnavailable:
    """Return (not raise) the exception for an errno of a device and what to do about it."""
    if code in (errno.EACCES, errno.EPERM):
        return DeviceNotPermitted(code, sentence)
    return DeviceUnavailable(code, sentence)
