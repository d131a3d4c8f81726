"""Texts that a person reads as numbers: what is advised, and what comes of it to the letter."""

from __future__ import annotations

import re

import pytest

from runner.manifest.amounts import remedy_for
from runner.manifest.templates import Names, cell, compiled

NO_NUMBER = "that is no one number: compare it as text, with  ==;  dates as 2026-11-27"


def followed(remedy, text):
    """What each of the advised filters makes of a text."""
    scope = Names({"price": cell("price", text)})
    return [compiled(f"{{{{ {chain} }}}}").render(scope) for chain in re.findall(r"price \|.*?float", remedy)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9,50 €", "9.5"),
        ("€ 9,5", "9.5"),
        ("1.299,00 €", "1299"),
        ("1.299.000,50", "1299000.5"),
        ("1.299.000", "1299000"),
        ("$1,299.00", "1299"),
        ("US$1,234,567.8", "1234567.8"),
        ("1,299,000", "1299000"),
        ("CHF 1'299.-", "1299"),
        ("CHF 1\u2019299.50", "1299.5"),
        ("Fr. 12.50", "12.5"),
        ("12 500,00 kr", "12500"),
        ("12\u00a0500,00\u00a0€", "12500"),
        ("9,-", "9"),
        ("ab 9,50 €/kg", "9.5"),
        ("-5 €", "-5"),
        ("100%", "100"),
        ("0,125", "0.125"),
        ("12,5000", "12.5"),
        ("12.50 EUR", "12.5"),
    ],
)
def test_the_remedy_to_the_letter_gives_the_number(text, number):
    remedy = remedy_for(text)
    assert remedy.startswith("make a number of it:  price | ")
    assert followed(remedy, text) == [number]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1.299 €", ["1.299", "1299"]), ("1,299 €", ["1.299", "1299"]), ("-12.500", ["-12.5", "-12500"])],
)
def test_a_number_that_could_be_two_has_two_remedies(text, numbers):
    remedy = remedy_for(text)
    assert remedy.startswith("a fraction, or thousands? Say which:  price | ")
    assert followed(remedy, text) == numbers


def test_what_is_beside_it_tells_which_number_it_is():
    """The remedy is for both."""
    remedy = remedy_for("1.299 €", "100,00 EUR")
    assert [followed(remedy, text) for text in ("1.299 €", "100,00 EUR")] == [["1299"], ["100"]]
    assert followed(remedy_for("100 €", "9,50 €/kg"), "9,50 €/kg") == ["9.5"]
    assert followed(remedy_for("9,50 €", "$1,299.50"), "9,50 €") == ["9.5"]


def test_a_comma_that_was_made_a_point_too_early_is_told():
    """`1.299,00`, after its comma became one."""
    remedy = remedy_for("1.299.00 ")
    assert remedy == "make a number of it:  price | replace('.', '') | replace(',', '.') | float"
    assert followed(remedy, "1.299,00 ") == ["1299"]


@pytest.mark.parametrize(
    "text",
    [
        "38-40",
        "36 38",
        "27.11.2026",
        "1.23E+12",
        "1,2,3",
        "1.2.3",
        "1,299.000.5",
        "n/a",
        "only 5 left of this one",
        "5" * 41,
    ],
)
def test_what_is_no_one_number_is_compared_as_text(text):
    assert remedy_for(text) == NO_NUMBER


def test_a_number_of_too_many_digits_is_compared_as_text():
    assert remedy_for("1234567890123456") == "numbers have up to 15 digits: compare it as text, with  =="
