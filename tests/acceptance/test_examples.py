"""What the README and `examples/` say, done."""

from __future__ import annotations

import json
import re
import sys
import textwrap

import yaml
from support.processes import command, simulator
from support.shells import EXAMPLES, ROOT, installed, options_of, shell

README = (ROOT / "README.md").read_text("utf-8")


def test_the_walkthrough_ends_with_three_pictures(tmp_path):
    """Step by step, on the simulator."""
    done = shell(f"bash {EXAMPLES}/walkthrough/walkthrough.sh work", tmp_path, installed(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "work" / "runs" / "products"
    assert sorted(path.stem for path in (run / "images").iterdir()) == ["mug-red", "shoe-navy", "vase-teal"]
    assert json.loads((run / "summary.json").read_text())["counts"] == {"done": 3}
    assert done.stdout.endswith(f"The report: {run}/report.html\n")


def test_the_python_example_prints_a_line_a_job(tmp_path):
    """`async for`, on the simulator; the failure is printed too."""
    manifest = ROOT / "manifests" / "catalogue.yaml"
    done = shell(f"{sys.executable} {EXAMPLES}/python_api/edit_catalogue.py {manifest}", tmp_path, installed(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 26
    assert sum(": done images/" in line for line in lines) == 24
    assert sum(": failed " in line for line in lines) == 2


def test_every_command_line_of_the_readme_exists(tmp_path):
    """Subcommands and options: a README that lies is worse than none."""
    lines = [line.split("#")[0] for line in README.splitlines() if line.strip().startswith("runcomfy-batch ")]
    assert len(lines) > 7
    for line in lines:
        subcommand, options = options_of(line)
        shown = command(subcommand, "--help", cwd=tmp_path)
        assert shown.returncode == 0, line
        assert all(option in shown.stdout for option in options), line


def block(start):
    """The one block of the README that begins so, as it is printed."""
    blocks = [textwrap.dedent(found) for found in re.findall(r"\n((?:    .*\n)+)", README)]
    (found,) = [found for found in blocks if found.startswith(start)]
    return found


def test_the_readme_shows_a_manifest_that_works(tmp_path):
    """Checked and run as it is printed, beside a sheet that has the columns it names."""
    (tmp_path / "spring.yaml").write_text(block("# yaml-language-server"))
    rows = (
        "00123,Ceramic Mug,{}mug-blue.jpg,blue,4",
        "00124,Linen Shirt,{}shirt.jpg,,2",
        "00125,Lamp,{}lamp.jpg,red,0",
    )
    photos = "https://photos.example.com/"
    sheet = "".join(f"{row.format(photos)}\n" for row in ("SKU,Title,Photo,Colour,Stock", *rows))
    (tmp_path / "catalogue.csv").write_text(sheet)
    assert command("check", "spring.yaml", cwd=tmp_path).stdout == "spring.yaml: 6 jobs, no errors\n"
    done = command("run", "spring.yaml", "--simulate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "spring"
    received = {json.loads(line)["inputs"]["prompt"] for line in (run / "simulator.jsonl").read_text().splitlines()}
    assert received == {
        "ceramic mug in blue on pure white. Keep the label.",
        "linen shirt on pure white. Keep the label.",
        "Ceramic Mug on an oak table.",
        "Linen Shirt on an oak table.",
    }
    made = {str(path.relative_to(run / "images")) for path in (run / "images").glob("*/*")}
    assert made == {"00123/white-1x1-1.jpg", "00123/white-4x5-1.jpg", "00123/oak-1x1-1.jpg"} | {
        f"00124/{scene}-{n}.jpg" for scene in ("white-1x1", "white-4x5", "oak-1x1") for n in (1, 2)
    }


def test_the_readme_shows_a_sheet_and_fault_rules_that_work(tmp_path):
    """The blocks are cut out of the page and used."""
    (tmp_path / "products.csv").write_text(block("id,prompt"))
    done = command("run", "products.csv", "--simulate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = block("faults:")
    assert len(yaml.safe_load(text)["faults"]) == 3
    (tmp_path / "faults.yaml").write_text(text)
    with simulator(tmp_path, "--faults", "faults.yaml") as service:
        assert [rule["kind"] for rule in service.ledger()["faults"]] == ["reset_after", "throttle", "truncated"]
