"""The benchmark of reading runs; how fast is not asked here."""

import re
import subprocess
import sys
from pathlib import Path


def test_every_format_is_measured():
    """A line each, with figures."""
    command = [sys.executable, Path(__file__).with_name("manifests.py"), "200"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^ *(\w+) +200 +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +(\d+)$", done.stdout, re.MULTILINE)
    assert [form for form, _ in lines] == ["csv", "jsonl", "yaml", "xlsx"]
    assert all(20 < int(peak_mb) < 300 for _, peak_mb in lines)
