"""What reading a manifest costs, beside the bare reader of its format: processor time, and memory at its peak.

    python tests/bench/manifests.py 1000 10000 100000 1000000
    python tests/bench/manifests.py 100000 --formats yaml

`check` is the reading alone, `plan` the reading and the weighing, without the network. Each line is a process of its
own; the bare reader runs in it too, so that the ratio is of one machine at one time.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

import xlsxwriter
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.tables import machine

HEADER = ("id", "prompt", "image_urls", "aspect_ratio")
MOST = {"csv": 10**9, "jsonl": 10**9, "yaml": 300_000, "xlsx": 200_000}
"""Rows: a YAML manifest ends at 64 MB, and a spreadsheet is better saved as CSV long before."""
BARE_ROUNDS = 3


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
    bare_s = min(spent(bare, path)[0] for _ in range(BARE_ROUNDS))
    return {"jobs": plan.submits, "check_s": check_s, "plan_s": check_s + plan_s, "bare_s": bare_s, "peak_mb": peak_mb}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--formats", nargs="+", choices=list(MOST), default=list(MOST))
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure)))
        return
    print(machine())
    print(f"{'':>5} {'rows':>9} {'bare':>7} {'check':>7} {'plan':>7} {'µs/row':>7} {'check/bare':>10} {'peak MB':>8}")
    print(" ".join("-" * width for width in (5, 9, 7, 7, 7, 7, 10, 8)))
    for form in arguments.formats:
        for count in arguments.rows:
            if count > MOST[form]:
                print(f"{form:>5} {count:>9,}   not measured: save it as CSV or JSONL")
                continue
            with tempfile.TemporaryDirectory(prefix="manifests-") as folder:
                path = Path(folder) / f"m.{form}"
                write(path, count)
                command = [sys.executable, __file__, "--measure", str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
            found = json.loads(done.stdout)
            assert found["jobs"] == count
            times = f"{found['bare_s']:>7.2f} {found['check_s']:>7.2f} {found['plan_s']:>7.2f}"
            each, ratio = found["plan_s"] / count * 1e6, found["check_s"] / max(found["bare_s"], 1e-9)
            print(f"{form:>5} {count:>9,} {times} {each:>7.1f} {ratio:>10.1f} {found['peak_mb']:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
