"""What is odd about pictures: tables of traits, and the search for twins."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.model import Artifact, Job, JobSpec, JobState, Traits
from runner.rules.oddities import Oddity, Twins, oddities

IS = Oddity
OUTLINE = int("f0" * 32, 16)
PLAIN = Traits(outline=f"{OUTLINE:064x}", mean=(200, 190, 180), spread=200, corner=255)


def job(*traits, size=(1024, 1024), prompt="A mug on oak", shared_from=None, **inputs):
    """A job that is done, with a picture for each of the traits."""
    files = tuple(
        Artifact(path="p", sha256="s", bytes=1, width=size[0], height=size[1], format="png", source_url="u", traits=one)
        for one in traits
    )
    spec = JobSpec(job_id="mug", model="m", inputs={"prompt": prompt, **inputs}, fingerprint="f")
    return Job(spec=spec, state=JobState.DONE, artifacts=files, shared_from=shared_from)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, set()),
        ({"change": 3}, {IS.UNCHANGED}),
        ({"change": 4}, set()),
        ({"spread": 11}, {IS.BLANK}),
        ({"spread": 12}, set()),
        ({"before": (1025, 1024)}, {IS.SMALL}),
        ({"before": (1024, 1024)}, set()),
        ({"before": (900, 900)}, set()),
        ({"before": (1024, 1100), "change": 0, "spread": 0}, {IS.SMALL, IS.UNCHANGED, IS.BLANK}),
        ({"corner": 0}, set()),
    ],
)
def test_what_a_picture_alone_tells(change, expected):
    """At the very edge of each limit."""
    assert oddities(job(replace(PLAIN, **change))) == expected


@pytest.mark.parametrize(
    ("prompt", "is_asked"),
    [
        ("Pure white background. Keep the shadow.", True),
        ("Put it on a WHITE seamless studio backdrop", True),
        ("Make the background plain white", True),
        ("background: #ffffff", True),
        ("background #FFF please", True),
        ("Off-white background", False),
        ("A white mug. Keep the background", False),
        ("whiteboard in the background", False),
        ("#fff0aa background", False),
        ("Keep the white shirt on the beach", False),
        ("The mug alone, on pure white.", True),
        ("On white", True),
        ("isolated on white, soft shadow", True),
        ("on plain white with a soft shadow", True),
        ("Stand it on a plain white surface", True),
        ("white seamless, studio light", True),
        ("Remove the clutter and put it on a white background", True),
        ("Replace the background with pure white", True),
        ("Replace the white background with a seamless white backdrop", True),
        ("白背景、影を残す", True),
        ("换成纯白色背景", True),
        ("背景を真っ白に", True),
        ("Weißer Hintergrund, weicher Schatten", True),
        ("Vor weissem Hintergrund", True),
        ("Sur fond blanc", True),
        ("sobre fondo blanco", True),
        ("Replace the white background with an oak table", False),
        ("Remove the white background", False),
        ("Change its plain white studio background to beige", False),
        ("no white background", False),
        ("Do not use a white background", False),
        ("A beach instead of the white background", False),
        ("Ohne weißen Hintergrund", False),
        ("sans fond blanc", False),
        ("去掉白色背景", False),
        ("on off-white", False),
        ("on a white marble table", False),
        ("fond blanc cassé", False),
        ("A white mug on an oak background", False),
    ],
)
def test_corners_are_looked_at_where_white_was_asked_for(prompt, is_asked):
    """A white thing is no white background."""
    grey = replace(PLAIN, corner=243)
    assert oddities(job(grey, prompt=prompt)) == ({IS.NOT_WHITE} if is_asked else set())
    assert oddities(job(replace(PLAIN, corner=244), prompt=prompt)) == set()


@pytest.mark.parametrize(
    ("asked", "size", "is_off"),
    [
        ("1:1", (1024, 1024), False),
        ("1:1", (1024, 1060), False),
        ("1:1", (1024, 1080), True),
        ("4:5", (928, 1152), False),
        ("4:5", (1152, 928), True),
        ("16:9", (1344, 768), False),
        ("auto", (10, 1000), False),
        ("0:1", (10, 1000), False),
        (None, (10, 1000), False),
        ("1:1", (None, None), False),
        ("1:1", (1024, None), False),
    ],
)
def test_the_ratio_that_was_asked_for(asked, size, is_off):
    """Models round to whole blocks; only what a person would see is named. A video has no size here."""
    assert oddities(job(None, size=size, aspect_ratio=asked)) == ({IS.RATIO} if is_off else set())


def test_a_picture_of_unknown_size_is_not_small():
    """Nor is one that nobody measured anything."""
    assert oddities(job(replace(PLAIN, before=(9000, 9000)), size=(None, None))) == set()
    assert oddities(job(None)) == oddities(job()) == set()


def twins(*jobs):
    """The numbers of those that have one."""
    found = Twins()
    for number, one in enumerate(jobs):
        found.add(number, one)
    return found.found()


def flipped(outline, *bits):
    """The outline with these bits turned over."""
    for bit in bits:
        outline ^= 1 << bit
    return f"{outline:064x}"


@given(st.sets(st.integers(0, 255), max_size=9))
def test_twins_differ_in_a_few_bits(bits):
    """Whichever bits they are."""
    other = replace(PLAIN, outline=flipped(OUTLINE, *bits))
    assert twins(job(PLAIN), job(other)) == ({0, 1} if len(bits) <= 4 else set())


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (job(replace(PLAIN, mean=(204, 186, 180))), {0, 1}),
        (job(replace(PLAIN, mean=(205, 190, 180))), set()),
        (job(PLAIN, shared_from="mug"), set()),
        (job(None), set()),
    ],
)
def test_twins_have_the_same_colour_and_requests_of_their_own(other, expected):
    """The same shirt in red is no twin; a job that shares another's request is the same by intention."""
    assert twins(job(PLAIN), other) == expected


def test_two_pictures_of_one_job_are_no_twins_of_each_other():
    """Variants that were asked for together look alike."""
    assert twins(job(PLAIN, PLAIN)) == set()


def test_a_picture_without_an_outline_has_no_twin():
    """Two plain grounds are not the same picture."""
    flat = replace(PLAIN, outline=f"{(1 << 11) - 1:064x}")
    assert twins(job(flat), job(flat)) == set()


def test_twins_are_found_among_many_that_are_alike_in_a_part():
    """Half of each outline is the same in all; those that are the same in the other half too are found."""
    dice = random.Random(7)
    outlines = [dice.getrandbits(128) << 128 | OUTLINE >> 128 for _ in range(900)]
    twin = outlines[850] ^ 1 << 3 ^ 1 << 130 ^ 1 << 250
    jobs = [job(replace(PLAIN, outline=f"{outline:064x}")) for outline in (*outlines, twin)]
    assert twins(*jobs) == {850, 900}
