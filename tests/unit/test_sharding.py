"""Which shard a job is in: by its id, on every machine and in every version the same."""

import pytest

from runner.rules.sharding import MOST, Shard, number_of

IDS = [f"job-{n}" for n in range(3000)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16])
def test_together_the_shards_are_all_jobs_once_and_about_equal(count):
    """Whatever is in a manifest beside."""
    parts = [[job_id for job_id in IDS if Shard(index, count).holds(job_id)] for index in range(count)]
    assert sorted(job_id for part in parts for job_id in part) == sorted(IDS)
    assert all(0.8 < len(part) * count / len(IDS) < 1.2 for part in parts)


def test_a_job_is_where_it_always_was():
    """These numbers never change: another would pay for the job again."""
    ids = ("mug-red", "00123", "Größe", "重さ", "a b/c", "\ud800")
    assert [number_of(job_id, 1000) for job_id in ids] == [601, 751, 807, 782, 863, 25]


@pytest.mark.parametrize(
    "text", ["", "1", "4/4", "5/4", "-1/4", "1/0", "a/4", "1/4/2", " 1/4", "１/4", f"0/{MOST + 1}"]
)
def test_what_is_no_shard(text):
    """K from 0, and below N."""
    with pytest.raises(ValueError, match=r"^"):
        Shard.of(text)


def test_a_shard_has_a_folder():
    """By which it is known again, as by the word that asks for it."""
    assert Shard.of("0/4") == Shard(0, 4)
    assert str(Shard(0, 4)) == "0/4"
    assert Shard.of_folder(Shard(3, 12).folder) == Shard(3, 12)
    assert [Shard.of_folder(name) for name in ("shard-3-of-12-old", "shard-4-of-4", "runs")] == [None] * 3
