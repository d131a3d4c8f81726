"""Many specs in little memory: they come back as they were, and what occurs twice among them is found."""

import tracemalloc

import pytest

from runner.manifest.spool import CHUNK, IN_MEMORY, Specs, Twins, stem_key
from runner.model import JobSpec


def spec(number, **more):
    return JobSpec(
        job_id=f"job-{number}",
        model="m",
        inputs={"prompt": f"White {number}.", "image_urls": ["https://cdn.example.com/a.jpg"], "num_images": 2},
        fingerprint=f"{number:064x}",
        row={"Title": f"Mug {number}", "": ""},
        source=f"a.csv:{number}",
        variant="white, 1:1",
        paths=(f"images/{number}",),
        files={"0" * 64: "/photos/a.jpg"},
        **more,
    )


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_specs_come_back_as_they_were(count):
    """Any number of times, by their order and one by one, also those that were changed."""
    made = [spec(number) for number in range(count)]
    specs = Specs(made)
    assert list(specs) == list(specs) == made
    assert [specs[index] for index in range(count)] == made
    assert (len(specs), specs[:2]) == (count, made[:2])
    if count:
        specs.change(count - 1, job_id="other")
        assert specs[-1].job_id == list(specs)[-1].job_id == "other"


def test_a_row_may_be_two_sequences():
    """As a table gives it: its columns, and the texts in them."""
    specs = Specs()
    for number in range(CHUNK + 1):
        specs.add((f"a{number}", "m", {}, "f", (["Title", "SKU"], ["Mug", f"{number}"]), "a.csv:2", "", (), {}, "A2"))
    assert [one.row for one in specs] == [{"Title": "Mug", "SKU": f"{number}"} for number in range(CHUNK + 1)]


def test_what_is_beyond_memory_goes_to_a_file_without_a_name():
    """And comes back."""
    specs = Specs()
    text = "x" * (IN_MEMORY // CHUNK // 4)
    for number in range(6 * CHUNK):
        specs.add((f"a{number}", "m", {"prompt": text}, "f", {}, "a.csv:2", "", (), {}, ""))
    assert [one.job_id for one in specs] == [f"a{number}" for number in range(6 * CHUNK)]


def test_twins_are_found_among_many_in_little_memory():
    """No more than some ten bytes each, also while they are compared."""
    twins = Twins()
    tracemalloc.start()
    for number in range(100_000):
        twins.add(f"job-{number}")
    twins.add("job-77")
    assert twins.repeated() == {hash("job-77")}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15 * 100_000


def test_twins_are_found_among_others_where_there_are_any_of_these():
    """Files that are called like their jobs are known by the jobs alone."""
    ids, stems = Twins(), Twins()
    for job_id in ("mug-2", "lamp", "lamp"):
        ids.add(job_id)
    assert stems.repeated(ids) == frozenset()
    for stem in ("images/mug", "images/mug-2"):
        stems.add(stem_key(stem))
    assert stems.repeated(ids) == {hash("mug-2"), hash("lamp")}
    assert ids.repeated() == {hash("lamp")}
