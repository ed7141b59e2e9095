"""The warden: a small process between a command and a process in which code of others runs.

`python -I -S warden.py LIFELINE SECONDS MOST PROGRAM ARGUMENT...` starts the program and ends with its exit status.
Whatever the program starts, and whatever those start, is ended before the warden ends, however they try to get away:

1. Orphans below it become its children (a subreaper), so nothing that was started there is lost sight of.
2. LIFELINE is a stream socket. `T` from it sends the program SIGTERM, `K` SIGKILL; its end, which comes too when the
   command is killed, ends everything.
3. More than MOST processes and threads at once, or SECONDS (0: no limit), end everything, with an exit code that says
   so; of too many, a line of "SESSION COUNT" pairs goes to LIFELINE before, which tells whose they are. A control group
   holds the number where this process may make one, else the user's own limit does (RLIMIT_NPROC, which does not bind
   root), and in any case they are counted.
4. The program is killed when the warden is (PR_SET_PDEATHSIG).

It imports nothing of Cachegate, and little of anything else: it starts in 20 ms.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import sys
import time

TOO_MANY, TOO_LONG = 113, 114
"""Exit codes: the program was ended because of its processes, or of its time."""
PREFIX = "cachegate."
"""Of the control groups that are made here; the pid of the warden follows."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SIGKILL, _SIGTERM = 9, 15
_LOOK_SECONDS = 0.25
_COUNT_SECONDS = 0.1
"""Between two counts where nothing but counting holds the number."""
_LOOKS_A_COUNT = 8
_END_SECONDS = 10.0
_V1, _V2 = "/sys/fs/cgroup/pids", "/sys/fs/cgroup"


def main(arguments: list[str]) -> int:
    """Start the program, watch it, end all that is below; the exit code."""
    lifeline, seconds, most, program = int(arguments[0]), float(arguments[1]), int(arguments[2]), arguments[3:]
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    group = _Group.made(most)
    warden = os.getpid()
    child = os.fork()
    if child == 0:
        _become(program, libc, warden, group, most)
    _let_go(lifeline)
    watch = _Watch(child, lifeline, group, most, seconds)
    try:
        broken = watch.until_it_ends()
        if broken == TOO_MANY:
            _tell_sessions(lifeline)
    finally:
        _end_all(group, watch)
    if broken is not None:
        return broken
    status = watch.status
    if status is None:
        return 1  # the command has gone: nobody is told
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
        return 128 + os.WTERMSIG(status)  # of a signal that this process does not die of
    return os.WEXITSTATUS(status)


def _become(program: list[str], libc: ctypes.CDLL, warden: int, group: _Group | None, most: int) -> None:
    """In the fork: the program, in a session of its own. Does not return."""
    try:
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if os.getppid() != warden:
            os._exit(1)  # it died before it could be noticed
        os.setsid()
        if group is not None:
            group.enter()
        elif os.getuid() != 0:
            _limit_own(most)
        os.execv(program[0], program)
    except OSError as error:
        os.write(2, f"{program[0]} could not be started: {error.strerror}\n".encode())
    os._exit(127)


def _let_go(lifeline: int) -> None:
    """Keep standard error and the lifeline alone: a pipe ends for its reader when nobody else holds it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    highest = 65536 if highest == resource.RLIM_INFINITY else highest
    os.closerange(3, lifeline)
    os.closerange(lifeline + 1, highest)


class _Watch:
    """Looks at one program until it ends or has to be ended."""

    def __init__(self, child: int, lifeline: int, group: _Group | None, most: int, seconds: float) -> None:
        self.child = child
        self.status: int | None = None
        """As `os.wait` tells it; None while it runs."""
        self._lifeline, self._group, self._most = lifeline, group, most
        self._looks = 0
        self._deadline = time.monotonic() + seconds if seconds else None

    def until_it_ends(self) -> int | None:
        """Which bound was broken, `TOO_MANY` or `TOO_LONG`; None if it has ended, or if the command has gone."""
        poll = select.poll()
        poll.register(self._lifeline, select.POLLIN | select.POLLHUP)
        try:
            poll.register(os.pidfd_open(self.child), select.POLLIN)
            pause = _COUNT_SECONDS if self._group is None else _LOOK_SECONDS
        except (AttributeError, OSError):
            pause = 0.02  # a kernel without pidfd: nothing tells that it has ended
        while True:
            for fd, _event in poll.poll(round(pause * 1000)):
                if fd == self._lifeline and not self._hear():
                    return None
            self.reap()
            if self.status is not None:
                return None
            if self._deadline is not None and time.monotonic() > self._deadline:
                return TOO_LONG
            if self._crowded():
                return TOO_MANY

    def _crowded(self) -> bool:
        if self._group is None:
            return len(_below()) > self._most
        self._looks += 1  # one that runs as root may leave its group: seldom, all are counted there too
        return self._group.refused() or (self._looks % _LOOKS_A_COUNT == 0 and len(_below()) > self._most)

    def reap(self) -> None:
        """Take note of all that have ended."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.child:
                    self.status = status
        except ChildProcessError:
            return

    def _hear(self) -> bool:
        """Do as the command says; False once it has gone."""
        said = os.read(self._lifeline, 64)
        for letter in said:
            if self.status is None:
                os.kill(self.child, _SIGKILL if letter == ord("K") else _SIGTERM)
        return bool(said)


class _Group:
    """A control group for what is below; it lets no more processes and threads be than it was made for."""

    def __init__(self, path: str) -> None:
        self._path = path

    @classmethod
    def made(cls, most: int) -> _Group | None:
        """A new one, or None where this process may make none."""
        for parent in _parents():
            _clear_away_below(parent)
            path = f"{parent}/{PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
            try:
                os.mkdir(path)
            except OSError:
                continue
            group = cls(path)
            try:
                group._write("pids.max", most)
                group._refusals = group._read_refusals()
            except OSError:
                group.remove()
                continue
            return group
        return None

    def enter(self) -> None:
        """Put this process in."""
        self._write("cgroup.procs", os.getpid())

    def members(self) -> set[int]:
        """The processes in it."""
        try:
            with open(f"{self._path}/cgroup.procs", encoding="ascii") as file:
                return {int(line) for line in file}
        except OSError:
            return set()

    def refused(self) -> bool:
        """Whether it had to refuse one more."""
        try:
            return self._read_refusals() > self._refusals
        except OSError:
            return False

    def freeze(self) -> None:
        """Let there be no new ones."""
        try:
            self._write("pids.max", 0)
        except OSError:
            pass  # they are killed as fast as they come

    def remove(self) -> None:
        """Take it away."""
        for _ in range(200):
            try:
                os.rmdir(self._path)
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)  # the kernel is not done with the dead
            else:
                return

    _refusals = 0

    def _read_refusals(self) -> int:
        with open(f"{self._path}/pids.events", encoding="ascii") as file:
            return int(file.read().split()[1])

    def _write(self, name: str, value: int) -> None:
        with open(f"{self._path}/{name}", "w", encoding="ascii") as file:
            file.write(str(value))


def clear_away() -> None:
    """End what wardens left that were killed themselves, and take their groups away."""
    for parent in _parents():
        _clear_away_below(parent)


def _clear_away_below(parent: str) -> None:
    try:
        names = [name for name in os.listdir(parent) if name.startswith(PREFIX)]
    except OSError:
        return
    for name in names:
        pid = name[len(PREFIX) :].partition("-")[0]
        if not pid.isdecimal() or os.path.exists(f"/proc/{pid}"):
            continue
        left = _Group(f"{parent}/{name}")
        left.freeze()
        for member in left.members():
            try:
                os.kill(member, _SIGKILL)
            except OSError:
                continue  # it has ended
        left.remove()


def _parents() -> list[str]:
    """Where a group could be made: of version 1 below our own, of version 2 beside it."""
    found = []
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            for line in file:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                if "pids" in controllers.split(","):
                    found.append(_V1 + path.rstrip("/"))
                elif not controllers:
                    found += [_V2 + path.rpartition("/")[0], _V2 + path.rstrip("/")]
    except OSError:
        pass
    return found


def _limit_own(most: int) -> None:
    """Let the user have twice as many more than there are: the count must be seen to be too high, and then ends."""
    limit = _tasks_of(os.getuid()) + 2 * most
    _soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat after the name: state, parent, ..."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _tasks_of(user: int) -> int:
    count = 0
    for pid in _pids():
        try:
            if os.stat(f"/proc/{pid}").st_uid == user:
                count += int(_stat(pid)[17])
        except OSError:
            continue  # it has ended
    return count


def _below() -> set[int]:
    """All processes below this one."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        try:
            children.setdefault(int(_stat(pid)[1]), []).append(pid)
        except OSError:
            continue  # as above
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in found:
                found.add(pid)
                waiting.append(pid)
    return found


def _tell_sessions(lifeline: int) -> None:
    counts: dict[str, int] = {}
    for pid in _below():
        try:
            session = _stat(pid)[3]
        except OSError:
            continue  # as above
        counts[session] = counts.get(session, 0) + 1
    try:
        os.write(lifeline, (" ".join(f"{session} {count}" for session, count in counts.items()) + "\n").encode())
    except OSError:
        pass  # the command has gone


def _end_all(group: _Group | None, watch: _Watch) -> None:
    """Kill what is below, until nothing is."""
    if group is not None:
        group.freeze()
    end = time.monotonic() + _END_SECONDS
    while time.monotonic() < end:
        watch.reap()
        below = _below() | (group.members() if group is not None else set())
        if not below:
            break
        for pid in below:
            try:
                os.kill(pid, _SIGKILL)
            except OSError:
                continue  # it has ended
        time.sleep(0.001)
    if group is not None:
        group.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
