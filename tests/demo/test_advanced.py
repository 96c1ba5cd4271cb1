"""The advanced demo sees each of its steps, in an embedded AWS of its own, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from build.toolchain import ROOT
from demo import advanced
from tests.docs.markdown import page, tables

PAGE = page("docs/advanced-demo.md")


def test_every_step_is_counted() -> None:
    assert Path(advanced.__file__).read_text().count("self.check(") == advanced.STEPS


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_each_step_is_seen() -> None:
    """Issue 10, item 10: organisation, policy, certificate, renewal, deployment, audit, notifications, violations."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TOCSIN_"))}
    environment |= {"ONCE": "1", "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "layers/tocsin", ROOT / "cli")))}
    command = [sys.executable, "-m", "demo.advanced"]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=560, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{advanced.STEPS} of {advanced.STEPS} steps seen" in told.stdout
    acts = [row["act"] for row in tables(PAGE, "What it does, and what does it")[0]]
    assert [act for act in acts if act not in told.stdout] == []
    assert not (advanced.HOME / "stack.json").exists()
