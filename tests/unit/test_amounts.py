"""Texts that a person reads as numbers: what is advised, and what comes of it to the letter."""

from __future__ import annotations

import re

import pytest

from runner.manifest.amounts import remedy_for
from runner.manifest.templates import Names, Row, TemplateProblem, cell, compiled, condition

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
    """`1.299,00`, after its comma became one; in a cell nobody knows what it is."""
    remedy = remedy_for("1.299.00 ", is_made=True)
    assert remedy.endswith(" first:  price | replace('.', '') | replace(',', '.') | float")
    assert followed(remedy, "1.299,00 ") == ["1299"]
    assert remedy_for("1.299.00 ") == NO_NUMBER


def test_a_text_that_was_made_wants_more_of_the_same():
    """What made `1299 €` of `1.299 €` stays."""
    assert remedy_for("1299 €", is_made=True) == "make a number of it:  … | replace('€', '') | float"


def test_remedies_that_are_followed_to_the_letter_come_to_an_end():
    """And to the number, whichever row is read first."""
    chain, texts = "price | float", ["1.299 €", "9,50 €", "1.299,00 €"]
    for _ in range(6):
        try:
            found = [
                float(compiled(f"{{{{ {chain} }}}}").render(Names({"price": cell("price", text)}))) for text in texts
            ]
        except TemplateProblem as problem:
            remedies = re.findall(r"((?:price|…) \|.*?float)", problem.hint)
            chain = remedies[-1].replace("…", chain.removesuffix(" | float"))
    assert found == [1299, 9.5, 1299]


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("12.50 €", "."),
        ("9,50", ","),
        ("0.125", "."),
        ("1234.567", "."),
        ("1.299.00", "."),
        ("1,299,5", ","),
        ("1.2345", "."),
    ],
)
def test_a_fraction_that_loses_its_sign_is_no_number(text, sign):
    """12.50 would be 1250: sheets are not all of one hand."""
    chain = f"price | replace('€', '') | replace('{sign}', '')"
    for asked in (f"{chain} | float > 5", f"{chain} | trim | int(0) > 5", f"{chain} > 5", f"{chain} < other"):
        with pytest.raises(TemplateProblem, match="had a point or a comma before its fraction, which was dropped"):
            condition(asked).holds(Names({"price": cell("price", text), "other": cell("other", "7")}))


@pytest.mark.parametrize(
    ("text", "sign", "number"),
    [
        ("1.299", ".", "1299"),
        ("1.299.000", ".", "1299000"),
        ("1,299.5", ",", "1299.5"),
        ("12", ".", "12"),
        ("1,23,456", ",", "123456"),
        ("2026.11.27", ".", "20261127"),
    ],
)
def test_what_is_no_fraction_loses_its_sign(text, sign, number):
    """What stands between thousands, and between the parts of a date."""
    scope = Names({"price": cell("price", text)})
    assert compiled(f"{{{{ price | replace('{sign}', '') | float }}}}").render(scope) == number


def test_a_text_may_lose_any_sign():
    scope = Names({"title": cell("title", "Mug, 1.5 l"), "sku": cell("sku", "x" * 50 + "1.5")})
    assert (
        compiled("{{ title | replace('.', '') }} {{ title | replace(',', '.') }}").render(scope)
        == "Mug, 15 l Mug. 1.5 l"
    )
    assert compiled("{{ sku | replace('.', '') }}").render(scope).endswith("x15")


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


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("Preis > 9", "Preis"),
        ("9 < row['Preis (EUR)']", "row['Preis (EUR)']"),
        ("status == 'new' and Preis | float > 9", "Preis"),
        ("Preis > 9 and stock > 9", "Preis"),
        ("stock > 9 and Preis > 9", "Preis"),
    ],
)
def test_a_remedy_names_the_column_that_is_asked(text, column):
    """Who copies it has a condition that can be read."""
    price = cell("Preis", "12,50 €")
    row = Row({"Preis (EUR)": price})
    scope = Names({"Preis": price, "stock": cell("stock", "10"), "status": cell("status", "new"), "row": row})
    with pytest.raises(TemplateProblem) as caught:
        condition(text).holds(scope)
    assert caught.value.hint.startswith(f"make a number of it:  {column} | ")


def test_a_price_beside_a_number_is_made_one():
    scope = Names({"Preis": cell("Preis", "9,50 €"), "kosten": cell("kosten", "4")})
    with pytest.raises(TemplateProblem) as caught:
        condition("Preis > kosten").holds(scope)
    assert (
        caught.value.hint
        == "make a number of it:  Preis | replace('€', '') | replace('.', '') | replace(',', '.') | float"
    )
