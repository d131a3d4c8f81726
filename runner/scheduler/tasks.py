"""Tasks that go on to their end, whoever is cancelled meanwhile: what is paid for is written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Undisturbed(asyncio.Task[T]):
    """A task that the end of the program waits for.

    `asyncio.run` ends by cancelling every task there is, from outside the loop, and waits until they are done: this one
    goes on. Whoever holds it, and the timeouts within it, may cancel it as any other.
    """

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel it, unless the loop does not run."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return super().cancel(msg)


def let_inherit() -> None:
    """From now on what an undisturbed task of this loop begins is undisturbed too.

    aiohttp writes a POST's body in a task of its own: were that cancelled before its first step, nothing would be sent,
    and the answer be waited for until the time is over. A program that makes its tasks in another way keeps to that.
    """
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is None:
        loop.set_task_factory(_heir)


def _heir(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    kind = Undisturbed if isinstance(asyncio.current_task(loop), Undisturbed) else asyncio.Task
    return kind(work, loop=loop, **options)


async def uncut(work: Coroutine[Any, Any, None], on_cancel: Callable[[], None] = lambda: None) -> None:
    """Await the work to its end, also where this is cancelled meanwhile; then the cancellation goes on.

    `on_cancel` is called each time. Raises what the work raises: that is what to tell, more than the cancellation.
    """
    task = Undisturbed(work, loop=asyncio.get_running_loop())
    cut: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cut = error
            on_cancel()
    task.result()
    if cut is not None:
        raise cut
