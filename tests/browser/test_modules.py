"""The logic of the pages' scripts, tested by Node."""

import shutil
import subprocess
from pathlib import Path

from tests.browser.conftest import refuse

HERE = Path(__file__).parent


def test_modules_pass_their_own_tests():
    if shutil.which("node") is None:
        refuse("no node: apt-get install nodejs")
    done = subprocess.run(["node", "--test", "modules.test.js"], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
