"""Programs of On-Meet that need not load it: a process that has loaded it forks.

    process = forkserver.Popen([sys.executable, "-m", "onmeet_node.cli", "up", …], stdout=PIPE)

is `subprocess.Popen` for all that follows: the process is a child of ours, has its own id,
environment and descriptors, and takes signals. Loading a node costs 1.5 s of CPU, a fork 0.05.
What is about how a program begins, or how much memory it holds, takes `subprocess` itself.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onmeet_bootstrap.forgetting.sweep import WIPING, wiping_environment

BOOTSTRAP = "onmeet_bootstrap"
MAX_REQUEST = 1 << 18
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS, _CLONE_NEWNET = 0x20000, 0x40000000
_MS_BIND, _MS_REC, _MS_SLAVE, _MNT_DETACH = 0x1000, 0x4000, 0x80000, 2
_libc = ctypes.CDLL(None, use_errno=True)


class Popen(subprocess.Popen[Any]):
    """A process begun as `[*inside, sys.executable, "-m", module, …]`.

    `inside`: nothing, or ``ip netns exec NAME``. What runs and how (pipes, waiting, the end) is all
    of `subprocess`; only its method that forks and executes is another one. It takes no options
    that concern what happens between the two.
    """

    def _execute_child(
        self,
        args: Sequence[str | os.PathLike[str]],
        executable: None,
        preexec_fn: None,
        close_fds: bool,
        pass_fds: Sequence[int],
        cwd: str | os.PathLike[str] | None,
        env: dict[str, str] | None,
        startupinfo: None,
        creationflags: int,
        shell: bool,
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        *others: Any,
    ) -> None:
        unusable = (executable, preexec_fn, pass_fds, shell, others)
        assert unusable == (None, None, (), False, (True, None, None, None, -1, False, -1))
        command = [os.fspath(argument) for argument in args]
        sys.audit("subprocess.Popen", sys.executable, command, cwd, env)
        python = command.index(sys.executable)
        assert command[python + 1] == "-m"
        module, *arguments = command[python + 2 :]
        assert python == 0 or command[: python - 1] == ["ip", "netns", "exec"]
        request = {
            "module": module,
            "arguments": arguments,
            "namespace": command[python - 1] if python else None,
            "directory": os.fspath(cwd or Path.cwd()),
            "environment": {**(os.environ if env is None else env)},
        }
        ends = enumerate((p2cread, c2pwrite, errwrite))
        self.pid = _server(module).fork(request, [n if end == -1 else end for n, end in ends])
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    stdin: str = "",
    timeout: float = 60,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` for text: to its end, with what it printed."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with Popen(command, text=True, **pipes, **options) as process:
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


class Server:
    """A process that has loaded what `module` may need, and forks when asked to.

    It ends with us, whichever way we end: nobody holds the other end of its socket then.
    """

    def __init__(self, module: str) -> None:
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A bootstrap wants its memory wiped, and begins anew unless it was begun so.
        wiping = module == BOOTSTRAP and wiping_environment(os.environ) is not None
        self._added = WIPING if wiping else {}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forkserver", str(theirs.fileno()), module],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **self._added},
                cwd=Path(__file__).parents[1],
            )
        self._link = ours

    def _answer(self) -> int:
        return int(self._link.recv(32))

    def close(self) -> None:
        """Ends it; what it began goes on."""
        self._link.close()
        self._process.wait()

    def fork(self, request: dict[str, Any], descriptors: Sequence[int]) -> int:
        """The id of a new child of ours, whose first descriptors are these."""
        request["environment"] |= self._added
        with self._lock:
            # The child's parent ends at once, and leaves it to us.
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(self._link, [json.dumps(request).encode()], descriptors)
                return self._answer()
            except BaseException:  # the time limit of a test; nothing of it may reach the next one
                os.kill(child := self._answer(), signal.SIGKILL)
                os.waitpid(child, 0)
                raise
            finally:
                _libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@functools.cache
def _server(module: str) -> Server:
    server = Server(module)
    atexit.register(server.close)
    return server


def _serve(link: socket.socket, module: str) -> dict[str, Any] | None:
    """Forks until nobody can ask any more; then None. In each child: what it is to run."""
    package = module.partition(".")[0]
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        # What Alembic runs is no module to import.
        if not found.name.endswith("__main__") and ".migrations" not in found.name:
            importlib.import_module(found.name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "threads do not survive a fork"
    gc.collect()
    gc.freeze()  # the pages of what is loaded stay common
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the tests
    while True:
        asked, descriptors, _, _ = socket.recv_fds(link, MAX_REQUEST, 3)
        if not asked:
            return None
        reading, writing = os.pipe()
        between = os.fork()
        if not between:
            child = os.fork()
            if child:
                os.write(writing, str(child).encode())
                os._exit(0)
            link.close()
            for descriptor in (reading, writing):
                os.close(descriptor)
            request: dict[str, Any] = json.loads(asked)
            _become(request, descriptors)
            return request
        os.waitpid(between, 0)
        link.send(os.read(reading, 32))
        for descriptor in (reading, writing, *descriptors):
            os.close(descriptor)


def _become(request: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Makes of this process what it would be had it been executed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        old = getattr(sys, name)
        new = os.fdopen(old.fileno(), mode, encoding=old.encoding, errors=old.errors, closefd=False)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    os.environ.clear()
    os.environ.update(request["environment"])
    if request["namespace"] is not None:
        _enter(request["namespace"])
    os.chdir(request["directory"])
    sys.argv[1:] = request["arguments"]


def _enter(namespace: str) -> None:
    """What ``ip netns exec`` does: its network, its /sys, its files in place of those of /etc."""
    with Path("/run/netns", namespace).open() as file:
        _done(_libc.setns(file.fileno(), _CLONE_NEWNET))
    _done(_libc.unshare(_CLONE_NEWNS))
    _done(_libc.mount(b"", b"/", b"none", _MS_SLAVE | _MS_REC, None))
    _done(_libc.umount2(b"/sys", _MNT_DETACH))
    _done(_libc.mount(namespace.encode(), b"/sys", b"sysfs", 0, None))
    of_its_own = Path("/etc/netns", namespace)
    for file_there in of_its_own.iterdir() if of_its_own.exists() else ():
        here = os.fsencode(Path("/etc", file_there.name))
        _done(_libc.mount(os.fsencode(file_there), here, b"none", _MS_BIND, None))


def _done(status: int) -> None:
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    if (to_run := _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])) is not None:
        runpy.run_module(to_run["module"], run_name="__main__", alter_sys=True)
