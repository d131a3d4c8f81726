"""Checks one job's inputs against its model's schema: every problem at once, each with its path and a remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from runner.catalog.cards import ModelCard
from runner.catalog.fields import Schema, holds_urls, judged, readable, without_validations
from runner.catalog.urls import url_problem
from runner.catalog.validations import file_problems
from runner.model import InputProblem, InputRules, MeasuredFile

SYNONYMS = {"jpg": "jpeg", "tif": "tiff"}


def rules_for(card: ModelCard, *, allow_loopback: bool = False) -> InputRules:
    """What the card's model accepts. With `allow_loopback` URLs may point to this machine: for a local service."""
    return _Rules(card, allow_loopback=allow_loopback)


class _Rules:
    """One model's rules, its schema compiled once."""

    def __init__(self, card: ModelCard, *, allow_loopback: bool) -> None:
        self.model = card.model_id
        properties = card.input_schema.get("properties")
        named = properties.items() if isinstance(properties, Mapping) else ()
        self._declared = {name: schema for name, schema in named if isinstance(schema, Mapping)}
        self.fields: Mapping[str, Schema] = {name: readable(schema) for name, schema in self._declared.items()}
        self.url_fields = tuple(name for name, schema in self._declared.items() if holds_urls(name, schema))
        self._allow_loopback = allow_loopback
        self._validator = _validator(card.input_schema)
        self._is_valid = self._validator.is_valid

    def problems(self, inputs: Mapping[str, Any]) -> list[InputProblem]:
        """Every way in which the inputs break the schema or name what the service cannot fetch."""
        document = inputs if isinstance(inputs, dict) else dict(inputs)
        found: list[InputProblem] = []
        try:
            if not self._is_valid(document):
                for error in self._validator.iter_errors(document):
                    found += self._explain(error)
        except ValueError as error:  # 255 levels deep, or half a surrogate pair
            found.append(InputProblem(path=(), code="invalid", message=f"the job is not JSON: {error}"))
        for name in self.url_fields:
            if name in document:
                self._add_url_problems(name, document[name], found)
        return found

    def file_problems(self, field: str, measured: MeasuredFile) -> list[InputProblem]:
        """Which of the field's limits on a file this one breaks, as far as it was measured."""
        return file_problems(field, self._declared.get(field, {}), measured)

    def _add_url_problems(self, name: str, value: Any, found: list[InputProblem]) -> None:
        for index, url in enumerate(value if isinstance(value, list) else (value,)):
            if isinstance(url, str) and (problem := url_problem(url, allow_loopback=self._allow_loopback)):
                code, message, hint = problem
                path = (name, index) if isinstance(value, list) else (name,)
                found.append(InputProblem(path=path, code=code, message=message, hint=hint))

    def _explain(self, error: Any) -> list[InputProblem]:
        """One schema error in a person's words."""
        path = tuple(error.instance_path)
        kind = type(error.kind).__name__.rsplit("_", 1)[-1]
        schema = self._schema_at(path)
        value = error.instance
        match kind:
            case "AdditionalProperties":
                return [self._unknown(key) for key in error.kind.unexpected]
            case "Required":
                field = error.kind.property
                return [InputProblem(path=(field,), code="missing-field", message=f"{field!r} is missing")]
            case "Enum":
                return [_not_in_enum(path, schema, value)]
            case "MaxLength" | "MinLength":
                return [_length(path, schema, value)]
            case "MaxItems" | "MinItems":
                return [_count(path, schema, value)]
            case "Type":
                return [_type(path, error, value)]
            case "Minimum" | "Maximum" | "ExclusiveMinimum" | "ExclusiveMaximum" | "MultipleOf":
                return [_range(path, schema, value)]
            case _:
                return [InputProblem(path=path, code="invalid", message=f"{_named(path)}: {error.message}")]

    def _schema_at(self, path: tuple[str | int, ...]) -> Schema:
        """The schema of a field, or of an item of it."""
        schema = self.fields.get(str(path[0]), {}) if path else {}
        for part in path[1:]:
            inner = schema.get("items") if isinstance(part, int) else None
            schema = readable(inner) if isinstance(inner, Mapping) else {}
        return schema

    def _unknown(self, key: str) -> InputProblem:
        near = difflib.get_close_matches(key, self.fields, 1, 0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"{self.model} knows: {', '.join(self.fields)}"
        return InputProblem(path=(key,), code="unknown-field", message=f"unknown field {key!r}", hint=hint)


def _validator(schema: Mapping[str, Any]) -> Any:
    """The schema, compiled. One that is broken, or that refers to another host, judges nothing: the service will."""
    try:
        return jsonschema_rs.validator_for(_judged(schema), retriever=_never_fetched)
    except ValueError:
        return jsonschema_rs.validator_for({})


def _judged(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without what is no JSON Schema, its fields as a validator is to judge them."""
    found: dict[str, Any] = without_validations(schema)
    if isinstance(properties := found.get("properties"), dict):
        found["properties"] = {
            name: judged(field) if isinstance(field, dict) else field for name, field in properties.items()
        }
    return found


def _never_fetched(uri: str) -> Any:
    raise ValueError(f"a schema is not fetched: {uri}")


def _named(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path) or "the job"


def _not_in_enum(path: tuple[str | int, ...], schema: Mapping[str, Any], value: Any) -> InputProblem:
    allowed = [str(option) for option in schema.get("enum", ())]
    code = _named(path).replace("_", "-") if path in (("aspect_ratio",), ("output_format",)) else "enum"
    message = f"{_named(path)}: {str(value)[:60]!r} is not supported"
    near = _nearest(str(value), allowed)
    hint = f"did you mean {near!r}? " if near else ""
    if near and re.fullmatch(r"\d+:0\d(:00)?|0\d+:\d+(:00)?", str(value)):
        hint += f"spreadsheets turn {near} into the time {value}; format the column as Text"
    else:
        hint += "allowed: " + ", ".join(allowed)
    return InputProblem(path=path, code=code, message=message, hint=hint)


def _nearest(value: str, allowed: list[str]) -> str | None:
    """The option that was probably meant: another spelling of it, or one or two letters away."""
    text = value.strip().lower()
    ratio = re.fullmatch(r"0*(\d+)\s*[:x/]\s*0*(\d+)(?::00)?", text)
    candidates = [text, SYNONYMS.get(text, text), f"{ratio[1]}:{ratio[2]}" if ratio else text]
    for candidate in candidates:
        if candidate in allowed:
            return candidate
    return next(iter(difflib.get_close_matches(text, allowed, 1, 0.6)), None)


def _length(path: tuple[str | int, ...], schema: Mapping[str, Any], value: Any) -> InputProblem:
    code = "prompt-length" if path == ("prompt",) else "length"
    if not value:
        return InputProblem(path=path, code=code, message=f"{_named(path)} is empty")
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 0))
    if len(value) < least:
        message = f"{_named(path)} is {len(value)} characters long, at least {least} are needed"
        return InputProblem(path=path, code=code, message=message)
    message = f"{_named(path)} is {len(value)} characters long, the limit is {most}"
    return InputProblem(path=path, code=code, message=message, hint=f"cut {len(value) - most} characters")


def _count(path: tuple[str | int, ...], schema: Mapping[str, Any], value: Any) -> InputProblem:
    code = "image-count" if path == ("image_urls",) else "count"
    least, most = schema.get("minItems", 0), schema.get("maxItems", "any number")
    return InputProblem(path=path, code=code, message=f"{len(value)} {_named(path)}; from {least} to {most} are taken")


def _range(path: tuple[str | int, ...], schema: Mapping[str, Any], value: Any) -> InputProblem:
    code = "num-images" if path == ("num_images",) else "range"
    least, most = schema.get("minimum", "any"), schema.get("maximum", "any")
    return InputProblem(path=path, code=code, message=f"{_named(path)} must be {least} to {most}, got {value}")


def _type(path: tuple[str | int, ...], error: Any, value: Any) -> InputProblem:
    wanted = " or ".join(str(name) for name in error.kind.types)
    shown = "nothing" if value is None else repr(value)[:60]
    code = "num-images" if path == ("num_images",) else "wrong-type"
    return InputProblem(path=path, code=code, message=f"{_named(path)} must be of type {wanted}, got {shown}")
