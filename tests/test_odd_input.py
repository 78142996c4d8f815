"""Odd ways to call the commands: one line, exit 2, no traceback."""

import subprocess
import sys

from pipeline import recipe


def test_identify_with_standard_input_closed_says_so():
    run = [sys.executable, "-c", "import os, sys; os.close(0); os.execv(sys.argv[1], sys.argv[1:])", sys.executable]
    done = subprocess.run([*run, "-m", "pipeline", "identify"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: standard input is closed") and done.stderr.count("\n") == 1


def test_a_recipe_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b'\xef\xbb\xbfextends = "de"\n')
    assert recipe.load(str(path), None, {}).config.language == "de"
