"""`check --format github`: what is wrong stands beside its line in a pull request."""

from __future__ import annotations

import re

from support.processes import command

PHOTO = "https://photos.example.com/mug-red.jpg"
COMMAND = re.compile(r"::(error|warning|notice) ((?:\w+=[^,:\s]*,?)+)::([^\r\n]*)")
"""As GitHub's runner reads one: properties with commas and colons escaped, then a text without line ends."""


def test_errors_are_commands_that_github_reads(tmp_path):
    """One a finding, with file and line; a file that is not there as well; the exit code is the worst."""
    (tmp_path / "a,b.csv").write_text(f'id,prompt,image_urls,aspect_ratio\nmug,"100%, of it",{PHOTO},16x9\n')
    (tmp_path / "good.csv").write_text(f"id,prompt,image_urls\nmug,White.,{PHOTO}\n")
    done = command("check", "--format", "github", "a,b.csv", "good.csv", "none.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (66, "")
    lines = done.stdout.splitlines()
    found = [COMMAND.fullmatch(line) for line in lines if line.startswith("::")]
    assert all(found)
    properties = [dict(pair.split("=", 1) for pair in one[2].split(",")) for one in found]
    assert [(one["file"], one.get("line")) for one in properties] == [("a%2Cb.csv", "2"), ("none.csv", None)]
    assert properties[0]["title"] == "aspect-ratio"
    assert "%0A" in found[0][3]
    assert lines[1:2] == ["good.csv: 1 job, no errors"]


def test_a_file_that_is_named_like_a_command_is_none(tmp_path):
    """Whoever opens a pull request names its files."""
    names = ("::stop-commands::x.csv", "a\n::error::b.csv", "c##[error]d.csv")
    for name in names:
        (tmp_path / name).write_text(f"id,prompt,image_urls\nmug,White.,{PHOTO}\n")
    done = command("check", "--format", "github", *names, cwd=tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)
    assert re.findall(r"(?m)^\s*::|##\[", done.stdout) == []
