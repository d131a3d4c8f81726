"""Commands without the second that an interpreter takes to import everything: forked from a process that has done so.

A command forked here is a process like any other: its own memory, files, environment and end.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

LONGEST_ORDER = 1 << 17
_here = threading.local()


class Nursery:
    """The client's side: one command at a time."""

    def __init__(self):
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen([sys.executable, __file__, str(number)], pass_fds=[number])
        atexit.register(self.close)

    def close(self):
        self._socket.close()
        self._process.wait(timeout=20)

    def run(self, arguments, cwd, env, timeout):
        """As `subprocess.run` with what it prints captured."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = self._order({"arguments": arguments, "cwd": str(cwd), "env": env}, out.fileno(), err.fileno())
            self._socket.settimeout(timeout)
            try:
                code, is_late = int(self._socket.recv(100)), False
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self._socket.settimeout(None)
                code, is_late = int(self._socket.recv(100)), True
            finally:
                self._socket.settimeout(None)
            said = [_text(file) for file in (out, err)]
        if is_late:
            raise subprocess.TimeoutExpired(arguments, timeout, *said)
        return subprocess.CompletedProcess(arguments, code, *said)

    def start(self, arguments, cwd, env, out):
        """Start one that stays, until `end`; its process id."""
        order = {"arguments": arguments, "cwd": str(cwd), "env": env, "stays": True}
        return self._order(order, out, sys.stderr.fileno())

    def end(self, pid):
        """Ask one that was started to end, and wait for it."""
        self._socket.send(json.dumps({"end": pid}).encode())
        return int(self._socket.recv(100))

    def _order(self, order, out, err):
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            socket.send_fds(self._socket, [json.dumps(order).encode()], [nothing, out, err])
        finally:
            os.close(nothing)
        return int(self._socket.recv(100))


def nursery():
    """This thread's nursery."""
    if not hasattr(_here, "nursery"):
        _here.nursery = Nursery()
    return _here.nursery


def _text(file):
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


# -------------------------------------------------------------------------------------------------- in the nursery


def warm_up():
    """Import all that a command may need, and draw what most simulators are asked for, once for all of them."""
    from PIL import Image

    import runner.cli
    import runner.live.server
    import runner.manifest.workbook
    import runner.simulator.server  # noqa: F401
    from runner import batch
    from runner.report.page import _template
    from runner.simulator import edits, photos
    from runner.simulator.photos import photo_of

    for name in batch.__all__:
        getattr(batch, name)
    photos.SIZE, edits.LONG_SIDE = (512, 384), 320  # real edits all the same, and a tenth of the work
    Image.init()
    _template()
    for name in ("mug-red", "mug", "mug-blue", "vase-blue"):
        photo_of(f"https://photos.example.com/{name}.jpg")
    gc.freeze()


def serve(connection):
    warm_up()
    while True:
        order, files, *_ = socket.recv_fds(connection, LONGEST_ORDER, 3)
        if not order:
            return
        order = json.loads(order)
        if (pid := order.get("end")) is not None:
            os.kill(pid, signal.SIGTERM)
        else:
            pid = os.fork()
            if pid == 0:
                connection.close()
                become(order, files)
            for file in files:
                os.close(file)
            connection.send(str(pid).encode())
        if "stays" not in order:
            _, status = os.waitpid(pid, 0)
            connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def become(order, files):
    """Be the command, from its first line to its end."""
    code = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        time.tzset()
        sys.stdout.reconfigure(line_buffering=True)
        random.seed()
        sys.argv = ["runner", *order["arguments"]]
        runpy.run_module("runner", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)
