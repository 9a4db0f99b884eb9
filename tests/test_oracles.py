"""No oracle lies unread."""

import re

from tests.conftest import ORACLES


def test_a_test_reads_every_oracle():
    tests = "".join(
        path.read_text() for path in sorted(ORACLES.parent.rglob("test_*.py"))
    )
    # Names are written out, or made of parts in braces.
    patterns = {
        re.sub(r"\\\{.*?\\\}", "[^/]*", re.escape(name))
        for name in re.findall(r"\"(g\d\w*_[\w{}\[\].-]*)\"", tests)
    }
    files = sorted(ORACLES.glob("*.npz"))
    assert len(files) > 100
    unread = [
        file.stem
        for file in files
        if not any(re.fullmatch(name, file.stem) for name in patterns)
    ]
    assert not unread
