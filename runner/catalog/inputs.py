"""Checks one job's inputs against its model's schema: every problem at once, each with its path and a remedy."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs

from runner.catalog.cards import ModelCard
from runner.catalog.fields import Schema, holds_urls, judged, readable, without_validations
from runner.catalog.urls import is_plain, url_problem
from runner.catalog.validations import file_problems
from runner.model import InputProblem, InputRules, MeasuredFile, counted

BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "multipleOf": "a multiple of",
}
TOLD = frozenset({"title", "description", "examples", "example", "default", "deprecated", "$comment"})
"""Words of a schema that tell people something, and judge nothing."""
MEDIA = re.compile(r"(?:image|photo|picture)s?(?:_?urls?)?|urls?", re.IGNORECASE)
"""What a field of media is called elsewhere."""
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
        self.fields: dict[str, Schema] = {name: readable(schema) for name, schema in self._declared.items()}
        self.url_fields = tuple(name for name, schema in self._declared.items() if holds_urls(name, schema))
        self._allow_loopback = allow_loopback
        self._validator, unread = _validator(card.input_schema)
        self.unread = tuple(word for word in sorted(unread) if word.rpartition(".")[2] not in TOLD)
        for name, schema in self.fields.items() if unread else ():
            self.fields[name] = {word: value for word, value in schema.items() if f"{name}.{word}" not in unread}
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
            message = f"the job is not JSON: {error}"
            found.append(InputProblem(path=(), code="invalid", message=message, hint="write plain values, not so deep"))
        for name in self.url_fields:
            if name in document:
                self._add_url_problems(name, document[name], found)
        return found

    def fit(self, several: Iterable[Mapping[str, Any]]) -> bool:
        """Whether all of several inputs may be sent, at a glance."""
        for inputs in several:
            if not self._is_valid(inputs):
                return False
            for name in self.url_fields:
                value = inputs.get(name, ())
                if not all(map(is_plain, value if isinstance(value, list) else (value,))):
                    return False
        return True

    def file_problems(self, field: str, measured: MeasuredFile) -> list[InputProblem]:
        """Which of the field's limits on a file this one breaks, as far as it was measured."""
        return file_problems(field, self._declared.get(field, {}), measured)

    def _add_url_problems(self, name: str, value: Any, found: list[InputProblem]) -> None:
        for index, url in enumerate(value if isinstance(value, list) else (value,)):
            if (
                isinstance(url, str)
                and not is_plain(url)
                and (problem := url_problem(url, allow_loopback=self._allow_loopback))
            ):
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
                hint = f"give the job its {field}, or all jobs one by defaults"
                return [InputProblem(path=(field,), code="missing-field", message=f"{field!r} is missing", hint=hint)]
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
                hint = f"what is taken:  runcomfy-batch models show {self.model}"
                return [InputProblem(path=path, code="invalid", message=f"{_named(path)}: {error.message}", hint=hint)]

    def _schema_at(self, path: tuple[str | int, ...]) -> Schema:
        """The schema of a field, or of an item of it."""
        schema = self.fields.get(str(path[0]), {}) if path else {}
        for part in path[1:]:
            inner = schema.get("items") if isinstance(part, int) else None
            schema = readable(inner) if isinstance(inner, Mapping) else {}
        return schema

    def _unknown(self, key: str) -> InputProblem:
        near = [*self.url_fields[:1]] if MEDIA.fullmatch(key) else difflib.get_close_matches(key, self.fields, 1, 0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"{self.model} knows: {', '.join(self.fields)}"
        return InputProblem(path=(key,), code="unknown-field", message=f"unknown field {key!r}", hint=hint)


def _validator(schema: Mapping[str, Any]) -> tuple[Any, frozenset[str]]:
    """The schema, compiled, and what in it is no JSON Schema, as `prompt.required`.

    Such a word, or one that refers to another host, judges nothing: the service will. The others do.
    """
    judging = _judged(schema)
    if (whole := _compiled(judging)) is not None:
        return whole, frozenset()
    unread: list[str] = []
    sound = _sound(judging, "", unread)
    if isinstance(properties := judging.get("properties"), dict):
        fields = {name: field for name, field in properties.items() if isinstance(field, dict)}
        sound["properties"] = {name: _sound(field, f"{name}.", unread) for name, field in fields.items()}
        unread = [word for word in unread if word != "properties"]
    return _compiled(sound) or jsonschema_rs.validator_for({}), frozenset(unread)


def _sound(schema: Mapping[str, Any], where: str, unread: list[str]) -> dict[str, Any]:
    """The words of a schema that can be judged by; the others are added to `unread`."""
    sound = {word: value for word, value in schema.items() if _compiled({word: value}) is not None}
    unread += [f"{where}{word}" for word in schema if word not in sound]
    return sound


def _compiled(schema: Mapping[str, Any]) -> Any:
    """The validator of a schema; `None` where it is none, or refers to another host."""
    try:
        return jsonschema_rs.validator_for(dict(schema), retriever=_never_fetched)
    except ValueError:
        return None


def _judged(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without what is no JSON Schema, its fields as a validator is to judge them.

    Where it does not say whether there may be others, there may not: a mistyped field would be paid for without effect.
    """
    found: dict[str, Any] = without_validations(schema)
    if isinstance(properties := found.get("properties"), dict):
        if properties and all(isinstance(field, dict) for field in properties.values()):
            found.setdefault("additionalProperties", False)
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
    shown = "null" if value is None else repr(str(value)[:60])
    message = f"{_named(path)}: {shown} is not supported"
    if isinstance(value, str) and value in allowed:  # the option is a number
        return InputProblem(path=path, code=code, message=message, hint="write it without quotes")
    near = _nearest(str(value), allowed) if value is not None else None
    hint = f"did you mean {near!r}? " if near else ""
    if near and re.fullmatch(r"\d+:0\d(:00)?|0\d+:\d+(:00)?", str(value)):
        hint += f"spreadsheets turn {near} into the time {value}; format the column as Text"
    else:
        hint += "allowed: " + ", ".join(allowed)
    return InputProblem(path=path, code=code, message=message, hint=hint)


def _nearest(value: str, allowed: list[str]) -> str | None:
    """The option that was probably meant: another spelling of it, or one or two letters away."""
    text = unicodedata.normalize("NFKC", value).strip().lower()
    ratio = re.fullmatch(r"0*(\d+)\s*[:x/]\s*0*(\d+)(?::00)?", text)
    candidates = [text, SYNONYMS.get(text, text), f"{ratio[1]}:{ratio[2]}" if ratio else text]
    for candidate in candidates:
        if candidate in allowed:
            return candidate
    return next(iter(difflib.get_close_matches(text, allowed, 1, 0.6)), None)


def _length(path: tuple[str | int, ...], schema: Mapping[str, Any], value: Any) -> InputProblem:
    code = "prompt-length" if path == ("prompt",) else "length"
    if not value:
        hint = "say what is to change" if path == ("prompt",) else "write some text, or leave it out"
        return InputProblem(path=path, code=code, message=f"{_named(path)} is empty", hint=hint)
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 0))
    if len(value) < least:
        message = f"{_named(path)} is {len(value)} characters long, at least {least} are needed"
        return InputProblem(
            path=path, code=code, message=message, hint=f"add {counted(least - len(value), 'character')}"
        )
    message = f"{_named(path)} is {len(value)} characters long, the limit is {most}"
    return InputProblem(path=path, code=code, message=message, hint=f"cut {counted(len(value) - most, 'character')}")


def _count(path: tuple[str | int, ...], schema: Mapping[str, Any], value: Any) -> InputProblem:
    code = "image-count" if path == ("image_urls",) else "count"
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    wanted = f"from {least} to {most} are taken" if least and most else f"at most {most} are taken"
    if most is None:
        wanted = f"at least {least} are needed"
    message = f"{len(value)} {_named(path)}; {wanted}"
    hint = f"add {least - len(value)}" if len(value) < least else f"drop {len(value) - int(most or 0)}"
    return InputProblem(path=path, code=code, message=message, hint=hint)


def _range(path: tuple[str | int, ...], schema: Mapping[str, Any], value: Any) -> InputProblem:
    code = "num-images" if path == ("num_images",) else "range"
    how = "that is"
    words = [f"{word} {schema[key]}" for key, word in BOUNDS.items() if schema.get(key) is not None]
    if len(words) == 2 and words[0].startswith("at least") and words[1].startswith("at most"):
        words, how = [f"{schema['minimum']} to {schema['maximum']}"], "from"
    wanted = " and ".join(words) or "another"
    message = f"{_named(path)} must be {wanted}, got {value}"
    return InputProblem(path=path, code=code, message=message, hint=f"write a number {how} {wanted}")


def _type(path: tuple[str | int, ...], error: Any, value: Any) -> InputProblem:
    names = [str(name) for name in error.kind.types]
    name = next((name for name in names if name != "null"), "null")
    shown = "nothing" if value is None else repr(value)[:60]
    code = "num-images" if path == ("num_images",) else "wrong-type"
    message = f"{_named(path)} must be of type {' or '.join(names)}, got {shown}"
    return InputProblem(path=path, code=code, message=message, hint=_as_type(name, value))


def _as_type(name: str, value: Any) -> str:
    """How a value of that type is written."""
    match name:
        case "string":
            if isinstance(value, (list, dict)):
                return "write one text: the one that is meant"
            return "write some text, or leave it out" if value is None else "quote it, to have it as text"
        case "integer" | "number":
            if isinstance(value, str) and re.fullmatch(r"[-+]?\d{1,3}[.,]\d{3}", value.strip()):
                return (
                    f"is it thousands or a fraction? write  {value.strip().replace(',', '.')}0  or one without a point"
                )
            if isinstance(value, str):
                if name == "integer" and re.fullmatch(r"\s*[-+]?\d+\.\d+\s*", value):
                    return "write a whole number, as in  2"
                if name == "integer" and (digits := re.fullmatch(r"\s*([-+]?)0+(\d{1,15})\s*", value)):
                    return f"write a number without zeros before it:  {digits[1]}{digits[2]}"
                is_number = re.fullmatch(r"\s*[-+]?\d+(\.\d+)?\s*", value) is not None
                return "write a number, without quotes" if is_number else "write a plain number, as in  2"
            return f"write one {name}"
        case "boolean":
            return "write true or false, without quotes"
        case "array":
            return "write a list, as in  [one, two]"
        case _:
            return f"write one {name}"
