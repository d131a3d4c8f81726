"""A world in one thread whose every accident is drawn from a seed: time, network, disk and death.

Everything of the product runs as it is: aiohttp's client and server, SQLite, Pillow, the run lock. What is put in its
place is what lies below them: the event loop's clock leaps to the next timer, connections are pairs of transports with
random latency, threads are calls, and the disk is a page cache that remembers what was synced. A *step* is a moment at
which death makes a difference: a segment on the wire, a commit, a sync, a rename.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import selectors
import shutil
import socket
import time
import weakref
from collections import Counter
from pathlib import Path

EPOCH = 1_800_000_000.0
DAY_S = 86_400.0
REAL = {"fsync": os.fsync, "replace": os.replace}


class Death(SystemExit):
    """The process or the machine ended here. Nothing that runs after it counts."""


class Deadlock(AssertionError):
    """Nothing is left that could ever happen."""


class _Leap(selectors.SelectSelector):
    """Waits for nothing: time leaps to the next timer."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.latest = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise Deadlock("every task waits for another")
        self.now += max(0.0, timeout)
        if self.now > self.latest:
            raise Deadlock("a day went by, and it has not come to an end")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with virtual time, an in-memory network, and threads that are calls."""

    def __init__(self, world):
        self._leap = _Leap()
        self._leap.now = world.now
        self._leap.latest = world.now + DAY_S
        super().__init__(self._leap)
        self._world = world
        self._servers = {}
        self._targets = {}
        self._plug = socket.socket()

    def time(self):
        return self._leap.now

    def run_in_executor(self, executor, call, *arguments):
        future = self.create_future()
        try:
            future.set_result(call(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    async def create_server(self, factory, host=None, port=None, **_):
        address = (host, port or 10_000 + len(self._servers))
        self._servers[address] = factory
        return _Server(address, self._servers)

    async def sock_connect(self, sock, address):
        await asyncio.sleep(self._world.latency())
        if address[:2] not in self._servers or not self._world.is_up(self.time()):
            raise ConnectionRefusedError(111, "Connection refused")
        self._targets[sock.fileno()] = address[:2]

    async def create_connection(self, factory, *_, sock=None, **__):
        ours = Wire(self, self._world, factory())
        theirs = Wire(self, self._world, self._servers[self._targets.pop(sock.fileno())]())
        sock.close()
        ours.peer, theirs.peer = theirs, ours
        self._world.wires.add(ours)
        theirs.protocol.connection_made(theirs)
        ours.protocol.connection_made(ours)
        return ours, ours.protocol

    def close(self):
        self._plug.close()
        super().close()


class _Server:
    def __init__(self, address, servers):
        self._address, self._servers = address, servers
        self.sockets = [self]

    def getsockname(self):
        return self._address

    def close(self):
        self._servers.pop(self._address, None)

    async def wait_closed(self):
        return None


class Wire(asyncio.Transport):
    """One end of a connection. Segments arrive in order, each after a latency of its own."""

    def __init__(self, loop, world, protocol):
        super().__init__()
        self._loop, self._world, self.protocol = loop, world, protocol
        self.peer = self
        self._closing = False
        self._is_lost = False
        self._last = 0.0

    def get_extra_info(self, name, default=None):
        return self._loop._plug if name == "socket" else default

    def is_closing(self):
        return self._closing

    def write(self, data):
        if not self._world.is_up(self._loop.time()):
            self.abort()
            self._loop.call_later(self._world.latency(), self._reset)
        if not self._closing:
            self._send(self.peer._receive, bytes(data))

    def close(self):
        if not self._closing:
            self._closing = True
            self._send(self.peer._receive_end)
            self._loop.call_soon(self._lose, None)

    def abort(self):
        self._closing = True
        self._loop.call_later(self._world.latency(), self.peer._reset)
        self._loop.call_soon(self._lose, None)

    def _send(self, receive, *arguments):
        self._last = max(self._last + 1e-6, self._loop.time() + self._world.latency())  # in order, always
        self._loop.call_at(self._last, receive, *arguments)

    def _receive(self, data):
        self._world.step("segment")
        if not self._closing:
            self.protocol.data_received(data)

    def _receive_end(self):
        if not self._closing:
            self.protocol.eof_received()
            self.close()

    def _reset(self):
        self._closing = True
        self._lose(ConnectionResetError(104, "Connection reset by peer"))

    def _lose(self, error):
        if not self._is_lost:
            self._is_lost = True
            self.protocol.connection_lost(error)

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def is_reading(self):
        return True

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def get_write_buffer_size(self):
        return 0

    def can_write_eof(self):
        return False


class Disk:
    """What of a run directory would survive a power cut: synced contents, and names of synced folders."""

    def __init__(self, directory):
        self.directory = directory
        self._contents = {}
        self._names = {}
        self._wal = self._wal_size()
        if directory.exists():  # what survived a death is on the disk
            for path in sorted(directory.rglob("*")):
                self.synced(path)

    def synced(self, path):
        """A sync of a file keeps its contents; a sync of a folder keeps its names."""
        if path.is_dir():
            self._names[path] = {name.name: name.stat().st_ino for name in path.iterdir() if name.is_file()}
        elif path.parent.name == "images" and path.exists():
            self._contents[path.stat().st_ino] = path.read_bytes()

    def committed(self, connection):
        """A commit under `synchronous=FULL` syncs the log; under NORMAL it does not."""
        if connection.execute("PRAGMA synchronous").fetchone()[0] >= 2:
            self._wal = self._wal_size()

    def _wal_size(self):
        wal = self.directory / "state.db-wal"
        return wal.stat().st_size if wal.exists() else 0

    def survive(self, target, dice, *, is_power_cut):
        """Copy to `target` what is left after a death."""
        shutil.copytree(self.directory, target, ignore=shutil.ignore_patterns("*.db-shm"))
        if is_power_cut:
            size = self._wal_size()
            if size > self._wal:
                os.truncate(target / "state.db-wal", dice.randint(self._wal, size))
            for path in (self.directory / "images").iterdir():
                self._forget(path, target / "images" / path.name, dice)

    def _forget(self, path, copy, dice):
        number = path.stat().st_ino
        is_named = self._names.get(path.parent, {}).get(path.name) == number
        if not is_named and dice.random() < 0.5:
            copy.unlink()
        elif number not in self._contents:
            os.truncate(copy, int(path.stat().st_size * dice.random()))


class World:
    """One seed's accidents. `now` goes on from night to night."""

    def __init__(self, seed, directory):
        self.dice = random.Random(seed)
        self.directory = directory
        self.now = 0.0
        self.night = 0
        self.steps = Counter()
        self.deaths = Counter()
        self.disk = Disk(directory / "night-0")
        self.is_up = lambda now: True
        self.skew = 0.0
        """How far the wall clock is off, in seconds; a sleep of the machine moves it as well."""
        self.wires = weakref.WeakSet()
        self._dies_at = None
        self._is_power_cut = False
        self._is_alive = False
        self._slowness = self.dice.choice([0.0005, 0.005, 0.05])
        self._taken = 0

    def latency(self):
        return self.dice.random() * self._slowness

    def step(self, kind):
        """A moment at which death makes a difference."""
        if not self._is_alive:
            return
        self.steps[kind] += 1
        self._taken += 1
        if self._taken == self._dies_at:
            self.deaths["power cut" if self._is_power_cut else "kill"] += 1
            self.deaths[kind] += 1
            self.die()

    def cut_wires(self):
        """Every open connection is reset, as after a long sleep."""
        for wire in list(self.wires):
            wire.abort()
            wire._reset()

    def die(self):
        """Keep what survives, and end: no step of this night counts from here on."""
        self._is_alive = False
        self.night += 1
        target = self.directory / f"night-{self.night}"
        self.disk.survive(target, self.dice, is_power_cut=self._is_power_cut)
        self.disk = Disk(target)
        raise Death

    def live(self, main, *, dies_at=None, is_power_cut=False):
        """Run one night to its end or its death; what `main` returned, or `None`."""
        self._dies_at, self._is_power_cut, self._taken = dies_at, is_power_cut, 0
        loop = VirtualLoop(self)
        asyncio.set_event_loop(loop)
        clocks = {"time": time.time, "monotonic": time.monotonic, "perf_counter": time.perf_counter}
        urandom = os.urandom
        state = random.getstate()
        random.seed(self.dice.random())
        self._is_alive = True
        try:
            time.time = lambda: EPOCH + loop.time() + self.skew
            time.monotonic = time.perf_counter = loop.time
            os.urandom = self.dice.randbytes
            done = loop.run_until_complete(main(self.disk.directory))
            loop.run_until_complete(asyncio.sleep(1.0))  # the last words on the wires
            loop.close()
        except Death:
            return None
        else:
            return done
        finally:
            self._is_alive = False
            for name, clock in clocks.items():
                setattr(time, name, clock)
            os.urandom = urandom
            random.setstate(state)
            # half the time somebody starts it again at once, while what was sent still runs
            self.now = loop.time() + self.dice.choice((0.1, 1.0)) * self.dice.uniform(1.0, 60.0) ** 1.5


def instrument(current):
    """Make commits, syncs and renames steps of the world that `current()` gives."""
    from runner.store.writer import Writer

    commit = Writer._commit

    def is_of_the_dead(path):
        """Whether a night that died does this while Python clears it away: no step of the one that lives."""
        home = current().disk.directory
        return any(part.startswith("night-") for part in Path(path).parts) and not Path(path).is_relative_to(home)

    @functools.wraps(commit)
    def _commit(writer, group, **options):
        if is_of_the_dead(writer._connection.execute("PRAGMA database_list").fetchone()[2]):
            return commit(writer, group, **options)
        current().step("before commit")
        outcome = commit(writer, group, **options)
        if outcome is None:
            current().disk.committed(writer._connection)
        current().step("after commit")
        return outcome

    def fsync(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if is_of_the_dead(path):
            return
        current().step("before sync")
        current().disk.synced(path)
        current().step("after sync")

    def replace(source, target, **more):
        if is_of_the_dead(target):
            REAL["replace"](source, target, **more)
            return
        current().step("before rename")
        REAL["replace"](source, target, **more)
        current().step("after rename")

    Writer._commit = _commit
    os.fsync, os.replace = fsync, replace
