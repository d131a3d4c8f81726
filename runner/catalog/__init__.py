"""What a model accepts, returns and costs: bundled schemas, the live card, cards in files, the validation of inputs."""

from runner.catalog.cards import ModelCard, bundled, parse_card
from runner.catalog.files import CardOf, card_file_name, cards_beside, read_card, write_card
from runner.catalog.inputs import rules_for
from runner.catalog.words import FieldWords, differs, fields_of

__all__ = [
    "CardOf",
    "FieldWords",
    "ModelCard",
    "bundled",
    "card_file_name",
    "cards_beside",
    "differs",
    "fields_of",
    "parse_card",
    "read_card",
    "rules_for",
    "write_card",
]
