"""Serves the API over real HTTP on the loopback: bearer check, schema check, queue, result, cancel, faults."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from runner.errors import ConfigurationInvalid
from runner.model import Money, in_usd, money
from runner.simulator.book import Book, Request
from runner.simulator.faults import Faults
from runner.simulator.files import Files
from runner.simulator.misbehave import error, misbehave
from runner.simulator.offers import offers
from runner.simulator.settings import FaultRule, SimulatorSettings

LARGEST_BODY: Final = 64 << 20
SYNONYMS: Final = {
    "in_queue": "pending",
    "in_progress": "processing",
    "completed": "succeeded",
    "cancelled": "canceled",
}


class Simulator:
    """A stand-in RunComfy on this machine; an async context manager. `api_base` and `files_base` are set inside it."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.api_base = ""
        self.files_base = ""
        self.book = Book(settings.slots, settings.latency_s, settings.seed, settings.journal)
        self.faults = Faults(settings.faults, settings.seed)
        self._files = Files(self.book, self.faults, settings.seed)
        self._offers = offers(settings.price_usd)
        self._runners: list[web.AppRunner] = []

    @property
    def ledger(self) -> dict[str, Any]:
        """What was posted, accepted and charged, and how often each fault struck."""
        return self.book.ledger(time.time()) | {"faults": self.faults.counts()}

    async def __aenter__(self) -> Self:
        host = self.settings.host
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # cut connections are this server's trade
        port = await self._serve(self._application(), self.settings.port)
        self.api_base = f"http://{host}:{port}/v1"
        files_port = await self._serve(self._files.application(), self.settings.files_port)
        self.files_base = self._files.base = f"http://{host}:{files_port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for runner in self._runners:
            await runner.cleanup()
        self._files.close()
        self.book.close()

    async def _serve(self, app: web.Application, port: int) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, self.settings.host, port).start()
        except OSError as problem:
            message = f"cannot listen on {self.settings.host}:{port}: {os.strerror(problem.errno or 0)}"
            raise ConfigurationInvalid(f"{message}; port 0 takes a free one") from problem
        return int(runner.addresses[0][1])

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_in_json])
        app.router.add_get("/simulator/ledger", self._get_ledger)
        app.router.add_get("/prod/v2/balance", self._guard("card", self._balance))
        app.router.add_get("/v1/models", self._guard("card", self._models))
        app.router.add_get("/v1/models/{model:.+}", self._guard("card", self._get_card))
        app.router.add_post("/v1/models/{model:.+}", self._submit)
        app.router.add_get("/v1/requests/{id}/status", self._guard("status", self._status))
        app.router.add_get("/v1/requests/{id}/result", self._guard("result", self._result))
        app.router.add_post("/v1/requests/{id}/cancel", self._guard("cancel", self._cancel))
        return app

    # ------------------------------------------------------------------------------------------------------- paid

    async def _submit(self, http: web.Request) -> web.StreamResponse:
        """Accept or refuse a job; what is accepted is in the journal before anything is answered."""
        self.book.posts += 1
        try:
            body = await http.read()
        except web.HTTPRequestEntityTooLarge:
            return error(413, 413001, "the body is larger than 64 MiB")
        rule = self.faults.draw("submit")
        if rule is not None and not rule.is_processed:
            return await misbehave(http, rule, None)
        good = self._take(http, body)
        return good if rule is None else await misbehave(http, rule, good)

    def _take(self, http: web.Request, body: bytes) -> web.Response:
        if (refusal := self._refuse_stranger(http)) is not None:
            return refusal
        model = http.match_info["model"]
        offer = self._offers.get(model)
        if offer is None:
            return error(400, 400001, f"no such model: {model}")
        try:
            inputs = json.loads(body)
            json.dumps(inputs, ensure_ascii=False).encode()  # half a surrogate pair is JSON, and no text
        except (ValueError, RecursionError):
            return error(422, 422001, "the body is not JSON")
        problems = offer.problems(inputs) if isinstance(inputs, dict) else []
        if problems or not isinstance(inputs, dict):
            detail = [{"loc": ["body", *problem.path], "msg": problem.message} for problem in problems]
            document = {"error_code": 422001, "error_message": "the body does not fit the schema", "detail": detail}
            return web.json_response(document, status=422)
        price = offer.cost(inputs)
        if not self._can_pay(price):
            return error(400, 400002, "InsufficientResources: the balance does not cover this request")
        fault = self.faults.draw("job")
        request = self.book.accept(model, inputs, price, fault.kind if fault else None, time.time())
        return web.json_response(self._described(request) | {"cancel_url": self._url(request, "cancel")})

    def _can_pay(self, price: Money) -> bool:
        if self.settings.balance_usd is None:
            return True
        return self.book.charged(time.time()) + price <= money(self.settings.balance_usd)

    # ------------------------------------------------------------------------------------------------------- free

    def _guard(self, on: str, handle: Callable[[web.Request], web.Response]) -> Callable[[web.Request], Any]:
        """Faults, then the token, then the handler."""

        async def guarded(http: web.Request) -> web.StreamResponse:
            self.book.polls += on in ("status", "result")
            rule: FaultRule | None = self.faults.draw(on)
            if rule is not None and not rule.is_processed:
                return await misbehave(http, rule, None)
            refusal = self._refuse_stranger(http)
            good = handle(http) if refusal is None else refusal
            return good if rule is None else await misbehave(http, rule, good)

        return guarded

    def _status(self, http: web.Request) -> web.Response:
        request = self._find(http)
        return _gone() if request is None else web.json_response(self._described(request))

    def _result(self, http: web.Request) -> web.Response:
        request = self._find(http)
        if request is None:
            return _gone()
        now = time.time()
        document = self._described(request)
        state = request.state(now)
        if state in ("completed", "failed", "cancelled"):
            document |= {"model_id": request.model, "created_at": request.accepted_at, "finished_at": request.finish_at}
            if http.query.get("include_cost") == "true":
                document["cost"] = float(in_usd(request.cost(now)))
        if state == "completed":
            document["output"] = self._output(request)
        if state == "failed" and request.error is not None:
            document["error"] = dict(zip(("code", "message"), request.error, strict=True))
        return web.json_response(document)

    def _output(self, request: Request) -> dict[str, Any]:
        request.result_reads += 1
        is_expired = request.fault == "expired_result" and request.result_reads == 1
        urls = [self._files.url(request, n, is_expired=is_expired) for n in range(1, request.count + 1)]
        if request.fault == "private_url":
            urls = ["https://10.0.0.1/private.png"] * request.count
        return {"images": urls} if request.count > 1 else {"image": urls[0]}

    def _cancel(self, http: web.Request) -> web.Response:
        request = self._find(http)
        if request is None:
            return _gone()
        outcome = self.book.cancel(request, time.time())
        status = request.state(time.time())
        return web.json_response({"request_id": request.request_id, "status": status, "outcome": outcome})

    def _get_card(self, http: web.Request) -> web.Response:
        offer = self._offers.get(http.match_info["model"])
        if offer is None:
            return error(404, 404001, "ResourceNotFound: no such model")
        return web.json_response(offer.document)

    def _models(self, http: web.Request) -> web.Response:
        """A page of the catalog; schemas only where they are asked for, since they are long."""
        limit, offset = http.query.get("limit", "50"), http.query.get("offset", "0")
        if not (limit.isdecimal() and offset.isdecimal()):
            return error(422, 422001, "limit and offset are whole numbers")
        search, category = (http.query.get(name, "").lower() for name in ("search", "category"))
        found = [offer.document for offer in self._offers.values() if offer.is_found(search, category)]
        page = found[int(offset) : int(offset) + int(limit)]
        if http.query.get("include_schema") != "true":
            page = [{key: value for key, value in entry.items() if key != "input_schema"} for entry in page]
        return web.json_response({"models": page, "total": len(found)})

    def _balance(self, _: web.Request) -> web.Response:
        total = money(self.settings.balance_usd or "1000")
        left = Money(total - self.book.charged(time.time()))
        return web.json_response({"balance_usd": float(in_usd(left)), "currency": "USD"})

    async def _get_ledger(self, _: web.Request) -> web.Response:
        return web.json_response(self.ledger)

    # ---------------------------------------------------------------------------------------------------- helpers

    def _refuse_stranger(self, http: web.Request) -> web.Response | None:
        """The refusal of a call without a good token; a missing one is an account error, which comes as HTTP 400."""
        scheme, _, token = http.headers.get("Authorization", "").partition(" ")
        if scheme in ("", "Bearer") and not token:
            return error(400, 400004, "UserAccountError: no token")
        is_good = scheme == "Bearer" and self.settings.token in (None, token)
        return None if is_good else error(401, 401001, "Unauthorized")

    def _find(self, http: web.Request) -> Request | None:
        request = self.book.requests.get(http.match_info["id"])
        return None if request is not None and request.fault == "lost" else request

    def _described(self, request: Request) -> dict[str, Any]:
        now = time.time()
        state = request.state(now)
        document: dict[str, Any] = {"request_id": request.request_id, "status": _word(request, state)}
        if state == "in_queue":
            document["queue_position"] = self.book.place(request, now)
        return document | {"status_url": self._url(request, "status"), "result_url": self._url(request, "result")}

    def _url(self, request: Request, call: str) -> str:
        return f"{self.api_base}/requests/{request.request_id}/{call}"


def _word(request: Request, state: str) -> str:
    match request.fault:
        case "synonyms":
            return SYNONYMS.get(state, state)
        case "upper_case":
            return state.upper()
        case "unknown_word" if state == "in_progress":
            return "warming_up"
        case _:
            return state


@web.middleware
async def _in_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A path or a method that does not exist is refused in the API's own form too."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        allow = {"Allow": refusal.headers["Allow"]} if "Allow" in refusal.headers else None
        return error(refusal.status, refusal.status * 1000 + 1, refusal.reason, allow)


def _gone() -> web.Response:
    return error(404, 404001, "ResourceNotFound: unknown, deleted or expired request")


async def serve(settings: SimulatorSettings, *, announce: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until `stop` is set, and say how to point a client here."""
    async with Simulator(settings) as simulator:
        announce(f"simulating RunComfy: real HTTP, really edited pixels, play money\nfiles at {simulator.files_base}\n")
        announce(f"  export RUNCOMFY_MODEL_API_BASE={simulator.api_base}")
        announce("  export RUNCOMFY_TOKEN=play-money\n")
        announce(f"ledger at {simulator.api_base.removesuffix('/v1')}/simulator/ledger; Ctrl-C stops")
        await stop.wait()
