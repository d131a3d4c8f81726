"""What a model accepts, returns and costs: bundled schemas, the live card, and the validation of inputs."""

from runner.catalog.cards import ModelCard, bundled, parse_card
from runner.catalog.inputs import rules_for

__all__ = ["ModelCard", "bundled", "parse_card", "rules_for"]
