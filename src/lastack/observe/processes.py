"""Who holds which socket: /proc's open files, inode by inode, and the control groups.

Without privilege only one's own processes can be seen; `Holders.unseen` counts the others.
"""

import os
from typing import Final

_PREFIX: Final = "socket:["


class Holder:
    """A process that holds a socket: `descriptors` are its file descriptors of it."""

    pid: int
    name: str
    command: str
    descriptors: list[int]

    def __init__(self, pid: int, name: str, command: str) -> None:
        self.pid = pid
        self.name = name
        self.command = command
        self.descriptors = []

    def __repr__(self) -> str:
        return f"<{self.pid} {self.name}>"


class Holders:
    """The processes by the inodes of their sockets, as of the moment this was made.

    `unseen` counts the processes whose open files may not be looked at.
    """

    by_inode: dict[int, list[Holder]]
    unseen: int

    def __init__(self, proc: str = "/proc") -> None:
        self.by_inode = {}
        self.unseen = 0
        for entry in os.scandir(proc):
            if entry.name.isdecimal():
                self._look(entry.path, int(entry.name))

    def of(self, inode: int) -> list[Holder]:
        """Return the processes that hold the socket with this inode; none for inode 0."""
        return self.by_inode.get(inode, []) if inode else []

    def _look(self, place: str, pid: int) -> None:
        folder = os.path.join(place, "fd")
        holder: Holder | None = None
        own: dict[int, Holder] = {}
        try:
            names = os.listdir(folder)
        except PermissionError:
            self.unseen += 1
            return
        except OSError:
            return  # it has ended meanwhile
        for name in names:
            try:
                target = os.readlink(os.path.join(folder, name))
            except OSError:
                continue
            if not target.startswith(_PREFIX):
                continue
            inode = int(target[len(_PREFIX) : -1])
            if holder is None:
                holder = Holder(pid, _text(place, "comm"), _command(place))
            mine = own.get(inode)
            if mine is None:
                mine = own[inode] = Holder(pid, holder.name, holder.command)
                self.by_inode.setdefault(inode, []).append(mine)
            mine.descriptors.append(int(name))


def running(thread: int, name: str) -> tuple[int, str, str] | None:
    """Return (pid, name, command) of the process of a thread of that name.

    None when it has ended, or when the thread of this number bears another name: in a container
    the numbers of the kernel's own are those of others.
    """
    place = f"/proc/{thread}"
    if _text(place, "comm") != name:
        return None
    for line in _text(place, "status").splitlines():
        if line.startswith("Tgid:"):
            pid = int(line.split()[1])
            return pid, _text(f"/proc/{pid}", "comm"), _command(f"/proc/{pid}")
    return None


def in_this_namespace(pid: int) -> bool:
    """Return whether a process is in the caller's network namespace; True where that is unknown."""
    try:
        ours = os.stat("/proc/thread-self/ns/net").st_ino
        return os.stat(f"/proc/{pid}/ns/net").st_ino == ours
    except OSError:
        return True


def _text(place: str, name: str) -> str:
    try:
        with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _command(place: str) -> str:
    """Return the command line, its words divided by blanks."""
    return " ".join(_text(place, "cmdline").split("\0")).strip()


class Cgroups:
    """The control groups by the numbers that sockets carry, looked up again when one is new.

    Without cgroup2, or where a group lies outside of what this container sees, its path is "".
    """

    def __init__(self, mounts: str = "/proc/self/mountinfo") -> None:
        self._root = _cgroup2(mounts)
        self._paths: dict[int, str] = {0: ""}

    def path_of(self, number: int) -> str:
        """Return the path of a group, from the root of the tree: `/system.slice/cron.service`."""
        if number not in self._paths:
            self._walk()
            self._paths.setdefault(number, "")  # it has gone: no need to look for it again
        return self._paths[number]

    def _walk(self) -> None:
        for folder, names, _ in os.walk(self._root) if self._root else ():
            try:
                self._paths[os.stat(folder).st_ino] = folder[len(self._root) :] or "/"
            except OSError:
                names.clear()


def _cgroup2(mounts: str) -> str:
    """Return where the one tree of control groups is mounted; "" for nowhere."""
    try:
        with open(mounts, encoding="utf-8", errors="replace") as file:
            for line in file:
                before, _, after = line.partition(" - ")
                if after.startswith("cgroup2 "):
                    return before.split()[4]
    except OSError:
        pass
    return ""
