"""`models`: list, show and pull the cards of the service's models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.common import AS_JSON, BASE_URL, Directory, options_of, print_json, run_async, usd

if TYPE_CHECKING:
    from runner.batch import Shown
    from runner.catalog import FieldWords, ModelCard
    from runner.model import Price

WIDTH = 100
LONGEST_DEFAULT = 40


@click.group(short_help="What models there are, what they accept and cost.")
def models() -> None:
    """See what models there are, what they accept and cost, and keep a card beside the manifest. Free.

    \b
      runcomfy-batch models list --search banana
      runcomfy-batch models show google/nano-banana/edit
      runcomfy-batch models pull google/nano-banana/edit     a file: checks are the same tomorrow
    """


@models.command("list", short_help="Search the service's catalog.")
@click.option("--search", default="", metavar="TEXT", help="Only models that the service finds by this text.")
@click.option("--category", default="", metavar="NAME", help="Only models of this category, as image-to-image.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="At most so many.")
@BASE_URL
@AS_JSON
def list_models(*, search: str, category: str, limit: int, base_url: str | None, as_json: bool) -> None:
    """List the models that the service has: id, price, categories, name."""
    from runner.batch import models as find_models

    found = run_async(find_models(options_of(base_url=base_url), search=search, category=category, limit=limit))
    if as_json:
        print_json({"models": [_document(card) for card in found.models], "total": found.total})
        return
    rows = [(c.model_id, _price(c.price), ", ".join(c.categories), c.display_name) for c in found.models]
    for line in _table([("MODEL", "PRICE", "CATEGORIES", "NAME"), *rows] if rows else []):
        click.echo(line)
    if len(rows) < found.total:
        click.echo(f"{len(rows):,} of {found.total:,} models; --limit {found.total} shows them all", err=True)
    elif not rows:
        click.echo("no model was found", err=True)


@models.command(short_help="What one model accepts and costs.")
@click.argument("model")
@BASE_URL
@AS_JSON
def show(model: str, *, base_url: str | None, as_json: bool) -> None:
    """Show what MODEL accepts and costs: an id, or a card's file that `models pull` wrote."""
    from runner.batch import card as find_card

    shown = run_async(find_card(model, options_of(base_url=base_url)))
    for note in shown.notes:
        click.echo(_line(note), err=True)
    if as_json:
        print_json(_whole_document(shown))
    else:
        click.echo(_render(shown))


@models.command(short_help="Keep cards beside the manifest.")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--to", type=Directory(path_type=Path), default=Path(), metavar="DIR", help="Where the manifest is [.].")
@click.option("--force", is_flag=True, help="Replace a file that differs, and say what has changed.")
@BASE_URL
def pull(models: tuple[str, ...], *, to: Path, force: bool, base_url: str | None) -> None:
    """Keep the card of each MODEL in a file beside the manifest: checks are the same on every machine and every day.

    Its price is not used: a run asks for the price of today.
    """
    from runner.batch import pull as pull_cards

    for found in run_async(pull_cards(models, to, options_of(base_url=base_url), force=force)):
        click.echo(found.path)
        for change in found.changes:
            click.echo(f"  {_line(change)}", err=True)
        if not found.is_written:
            click.echo("  as it was", err=True)


# ---------------------------------------------------------------------------------------------------------- rendering


def _render(shown: Shown) -> str:
    from runner.catalog import fields_of

    card = shown.card
    facts = [
        ("model", card.model_id),
        ("name", card.display_name),
        ("price", _price(card.price)),
        ("", card.price.note),
        ("categories", ", ".join(card.categories)),
        ("card", shown.origin),
    ]
    lines = [*_table([fact for fact in facts if fact[1]]), ""]
    fields = list(fields_of(card).values())
    if not fields:
        return "\n".join([*lines, "The card lists no inputs: the service judges what it is sent."])
    table = _table([(field.name, field.type, _need(field), ", ".join(field.limits)) for field in fields])
    short = _table([(field.name, field.type, _need(field)) for field in fields])
    for field, line, start in zip(fields, table, short, strict=True):
        is_short = len(line) <= WIDTH
        lines += [line] if is_short else [start, *_wrapped(", ".join(field.limits))]
        lines += _wrapped(field.description)
    return "\n".join(lines)


def _need(field: FieldWords) -> str:
    if field.is_required:
        return "required"
    if field.default is None or field.default == "null":
        return "optional"
    short = field.default if len(field.default) <= LONGEST_DEFAULT else field.default[: LONGEST_DEFAULT - 1] + "…"
    return f"default {short}"


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(_line(text), WIDTH, initial_indent="    ", subsequent_indent="    ")


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows in columns, the last as long as it is."""
    cells = [[_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths[-1:] = [0] if widths else []
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]


def _price(price: Price) -> str:
    return "unknown" if price.amount is None else f"{usd(price.amount)} / {price.unit}"


def _line(text: str) -> str:
    """The service's words on one line: nothing in them moves the cursor."""
    from runner.api.bodies import clean

    return clean(text, 2000)


def _document(card: ModelCard) -> dict[str, Any]:
    from runner.model import in_usd

    return {
        "model_id": card.model_id,
        "display_name": card.display_name,
        "categories": list(card.categories),
        "price_usd": None if card.price.amount is None else float(in_usd(card.price.amount)),
        "price_unit": card.price.unit,
        "pricing_note": card.price.note,
    }


def _whole_document(shown: Shown) -> dict[str, Any]:
    from dataclasses import asdict
    from datetime import UTC, datetime

    from runner.catalog import fields_of

    pulled_at = shown.card.pulled_at
    when = None if pulled_at is None else datetime.fromtimestamp(pulled_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _document(shown.card) | {
        "origin": shown.origin,
        "pulled_at": when,
        "fields": [asdict(field) for field in fields_of(shown.card).values()],
        "input_schema": shown.card.input_schema,
    }
