"""The matrix is whole: each of the 66 rows has a test that is named after it."""

import re
from pathlib import Path


def test_all_rows_are_tested():
    """A row that is taken out shows here."""
    text = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py")))
    rows = {int(number) for number in re.findall(r"^(?:async )?def test_fault_(\d\d)_\w+", text, re.MULTILINE)}
    assert rows == set(range(1, 67))
