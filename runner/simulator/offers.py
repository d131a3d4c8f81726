"""The models that the simulator has: the one that this tool was made for, and stand-ins for others.

A stand-in's card lies in `models/`, in the service's own dialect, and is read by the very rules that read a live one.
Its name and its price are made up; what it does with the pixels of its inputs is done.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final

from PIL import Image

from runner.catalog import ModelCard, bundled, parse_card, rules_for
from runner.model import InputProblem, InputRules, MeasuredFile, Money, Price, money
from runner.simulator.settings import PRICE_USD

MODEL: Final = "google/nano-banana/edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One model: its card as the service sends it, what it accepts, and what it costs."""

    document: Mapping[str, Any]
    rules: InputRules
    price: Price

    @property
    def model_id(self) -> str:
        """The model's id."""
        return self.rules.model

    def is_found(self, search: str, category: str) -> bool:
        """Whether a search finds it; both words are in lower case, and may be empty."""
        text = f"{self.model_id} {self.document['display_name']}".lower()
        return search in text and category in ("", *self.document["categories"])

    def cost(self, inputs: Mapping[str, Any]) -> Money:
        """What a job costs, by the card's unit."""
        count = self.meant(inputs).get("duration" if self.price.unit == "second" else "num_images", 1)
        return Money((self.price.amount or 0) * int(count))

    def images(self, inputs: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """The pictures that a job names: where each stands, and its URL."""
        for name in self.rules.url_fields:
            value = inputs.get(name)
            if isinstance(value, str):
                yield (name,), value
            elif isinstance(value, list):
                yield from (((name, n), url) for n, url in enumerate(value) if isinstance(url, str))

    def problems(self, inputs: Mapping[str, Any]) -> list[InputProblem]:
        """Why the job is refused: the schema, and the limits on pictures that came inside their URIs."""
        found = self.rules.problems(inputs)
        for path, url in self.images(inputs):
            if url.startswith("data:"):
                found += self.rules.file_problems(str(path[0]), _measured(url))
        return found

    def meant(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The job in the words of `edits`: its pictures as `image_urls`, defaults in the place of what is left out."""
        if self.model_id == MODEL:
            return inputs
        fields = self.rules.fields.items()
        defaults = {name: field["default"] for name, field in fields if field.get("default") is not None}
        given = {name: value for name, value in inputs.items() if value is not None}
        return {**defaults, **given, "image_urls": [url for _, url in self.images(inputs)]}


def offers(price_usd: str) -> Mapping[str, Offer]:
    """All models, by their ids, in the order in which they are listed; the first costs what the settings say."""
    return {**_offers(), MODEL: _priced(_offers()[MODEL], price_usd)}


def play_cards(price_usd: str = PRICE_USD) -> dict[str, ModelCard]:
    """Each model's card, without a simulator having to run: what it accepts, and its price in play money."""
    return {model: parse_card(model, offer.document) for model, offer in offers(price_usd).items()}


def images_of(model: str, inputs: Mapping[str, Any]) -> dict[str, str]:
    """The URLs of the pictures that a job names, by where each stands; none where the model is not known."""
    offer = _offers().get(model)
    return {_place(path): url for path, url in offer.images(inputs)} if offer else {}


def _place(path: tuple[str | int, ...]) -> str:
    """`image_url`, `image_urls[2]`."""
    return str(path[0]) + "".join(f"[{n}]" for n in path[1:])


def meant_by(model: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A job in the words of `edits`; as it is where the model is not known."""
    offer = _offers().get(model)
    return offer.meant(inputs) if offer else inputs


@cache
def _offers() -> Mapping[str, Offer]:
    card = bundled(MODEL)
    assert card is not None  # noqa: S101 it ships with the package
    named = {"model_id": MODEL, "display_name": card.display_name, "categories": ["image-to-image"]}
    documents: list[dict[str, Any]] = [{**named, "input_schema": card.input_schema}]
    files = resources.files("runner.simulator").joinpath("models").iterdir()
    documents += [json.loads(file.read_text("utf-8")) for file in sorted(files, key=lambda file: file.name)]
    return {document["model_id"]: _offer(document) for document in documents}


def _priced(offer: Offer, usd: str) -> Offer:
    price = {"base_price_usd": float(usd), "price_unit": "output"}
    document = {**offer.document, **price, "pricing_note": "play money: this is the simulator"}
    return replace(offer, document=document, price=Price(amount=money(usd)))


def _offer(document: Mapping[str, Any]) -> Offer:
    card = parse_card(document["model_id"], document)
    return Offer(document=document, rules=rules_for(card, allow_loopback=True), price=card.price)


def _measured(uri: str) -> MeasuredFile:
    """What can be said of a picture that came inside its URI."""
    try:
        data = base64.b64decode(uri.partition(",")[2], validate=False)
        with Image.open(io.BytesIO(data)) as image:
            return MeasuredFile(bytes=len(data), width=image.width, height=image.height)
    except (binascii.Error, OSError, ValueError, Image.DecompressionBombError):
        return MeasuredFile()
