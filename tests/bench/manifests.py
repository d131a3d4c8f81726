"""What reading a manifest costs, beside the bare reader of its format: processor time, and memory at its peak.

    python tests/bench/manifests.py 1000 10000 100000 1000000
    python tests/bench/manifests.py 100000 --formats yaml

`check` is the reading alone, `plan` the reading and the weighing, without the network. Each run is a process of its
own; the bare reader runs in it too, so that the ratio is of one machine at one time. The runs of all formats and sizes
alternate, and the median counts; memory is the most of any.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

import xlsxwriter
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.tables import table

HEADER = ("id", "prompt", "image_urls", "aspect_ratio")
MOST = {"csv": 10**9, "jsonl": 10**9, "yaml": 300_000, "xlsx": 200_000}
"""Rows: a YAML manifest ends at 64 MB, and a spreadsheet is better saved as CSV long before."""


def rows(count):
    """A catalogue's."""
    for n in range(count):
        prompt = f"Replace the background with pure white, keep the shadow of product {n}."
        yield f"sku-{n:07d}", prompt, f"https://cdn.example.com/photos/{n}.jpg", "1:1"


def write(path, count):
    """A manifest of that many rows, in the format that its name says."""
    if path.suffix == ".xlsx":
        with xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_urls": False}) as book:
            sheet = book.add_worksheet()
            for number, row in enumerate(chain([HEADER], rows(count))):
                sheet.write_row(number, 0, row)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        if path.suffix == ".csv":
            csv.writer(file).writerows(chain([HEADER], rows(count)))
        elif path.suffix == ".jsonl":
            for row in rows(count):
                job = dict(zip(HEADER, row, strict=True)) | {"image_urls": [row[2]]}
                file.write(json.dumps(job) + "\n")
        else:
            file.write("version: 1\njobs:\n")
            for job_id, prompt, url, ratio in rows(count):
                text = f"  - id: {job_id}\n    prompt: {prompt}\n    image_urls: [{url}]\n    aspect_ratio: {ratio}\n"
                file.write(text)


def bare(path):
    """The format's reader, and nothing done with what it reads."""
    match path.suffix:
        case ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                for _ in csv.DictReader(file):
                    pass
        case ".jsonl":
            with path.open(encoding="utf-8") as file:
                for line in file:
                    json.loads(line)
        case ".yaml":
            for _ in yaml.parse(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                pass
        case _:
            import python_calamine

            for _ in python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).iter_rows():
                pass


def spent(work, *arguments):
    """Seconds of processor time, and what came of it."""
    began = time.process_time()
    outcome = work(*arguments)
    return time.process_time() - began, outcome


def measure(path):
    """In this process: seconds of check, of plan and of the bare reader; MB at the peak."""
    from runner.batch import Options, load
    from runner.batch.planner import make_plan

    check_s, manifest = spent(load, path)
    plan_s, plan = spent(make_plan, manifest, path.parent / "out", Options(), {})
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert plan.submits == len(manifest.jobs)
    bare_s, _ = spent(bare, path)
    return {"jobs": plan.submits, "check_s": check_s, "plan_s": check_s + plan_s, "bare_s": bare_s, "peak_mb": peak_mb}


def measured(path, count):
    """What a process of its own measures of a manifest with that many jobs."""
    command = [sys.executable, __file__, "--measure", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["jobs"] == count
    return found


def row(form, count, runs):
    """The line of the table for all runs of one manifest."""
    bare_s, check_s, plan_s = (statistics.median(run[key] for run in runs) for key in ("bare_s", "check_s", "plan_s"))
    ratios = [statistics.median(run[key] / run["bare_s"] for run in runs) for key in ("check_s", "plan_s")]
    return (form, count, *ratios, bare_s, check_s, plan_s, plan_s / count * 1e6, max(run["peak_mb"] for run in runs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--formats", nargs="+", choices=list(MOST), default=list(MOST))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure)))
        return
    wanted = [(form, count) for form in arguments.formats for count in arguments.rows if count <= MOST[form]]
    with tempfile.TemporaryDirectory(prefix="manifests-") as folder:
        paths = {(form, count): Path(folder) / f"{count}.{form}" for form, count in wanted}
        for (_, count), path in paths.items():
            write(path, count)
        rounds = [{of: measured(path, of[1]) for of, path in paths.items()} for _ in range(arguments.rounds)]
    columns = ["manifest", "rows", "check ÷ bare", "plan ÷ bare", "bare s", "check s", "plan s", "plan µs/row", "MB"]
    lines = [row(*of, [found[of] for found in rounds]) for of in wanted]
    table(f"median of {arguments.rounds} alternating runs; CPU of their process", columns, lines)


if __name__ == "__main__":
    main()
