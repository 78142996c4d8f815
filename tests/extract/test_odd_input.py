"""Odd ways to call the commands: one line, exit 2, no traceback."""

import errno
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pipeline.__main__ import main
from pipeline.base.errors import UserError
from pipeline.build import load_recipe
from pipeline.config.cli_inputs import parse_overrides, parse_root, parse_source
from tests.support.paths import CHECKOUT


def test_identify_with_standard_input_closed_says_so():
    run = [sys.executable, "-c", "import os, sys; os.close(0); os.execv(sys.argv[1], sys.argv[1:])", sys.executable]
    done = subprocess.run([*run, "-m", "pipeline", "identify"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: standard input is closed") and done.stderr.count("\n") == 1


def test_a_recipe_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b'\xef\xbb\xbfextends = "de"\n')
    assert load_recipe(str(path), None, {}).config.language == "de"


def test_globs_and_lists_whose_names_have_blanks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mit leer").mkdir()
    for name in ("mit leer/a b.warc", "c.warc", "d.warc"):
        (tmp_path / name).touch()
    assert parse_source("mit leer/*.warc") == ("mit leer/a b.warc",)
    assert parse_source("c.warc d.warc") == ("c.warc", "d.warc")
    assert parse_source("c.warc " * 2000) == ("c.warc",)  # longer than any file name may be


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--source", ""], "--source is empty: give files, or leave it out"),
        (["--source", "  "], "--source is empty: give files, or leave it out"),
        (["--source", "crawl"], "--source crawl: a folder; give its files, for example 'crawl/*.warc.gz'"),
        (["--source", "crawl/"], "--source crawl/: a folder; give its files, for example 'crawl/*.warc.gz'"),
        (["--source", "none/*"], "--source none/*: no file is there"),
        (["--source", "crawl/warc.paths.gz"], "warc.paths.gz: a list of files; give the files that it names"),
        (["--index", ""], "a name has letters, digits, dots and dashes"),
        (["--root", ""], "ROOT is empty: give a folder or s3://bucket/prefix"),
        (["--root", "s3:/bucket"], "ROOT=s3:/bucket: buckets are written with two slashes: s3://bucket/prefix"),
        (["--root", "s3:bucket/x"], "buckets are written with two slashes"),
        (["--root", "gs://bucket/x"], "ROOT=gs://bucket/x: steps are kept in a folder or in s3://bucket/prefix"),
    ],
)
def test_options_that_a_script_got_wrong_run_nothing(tmp_path, monkeypatch, capsys, options, says):
    """An unset variable is no wish for the demo crawl, for the current folder or for a run without the index."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "warc.paths.gz").touch()
    assert main(["corpus", "any", "--local", *options]) == 2
    out, said = capsys.readouterr()
    assert out == "" and said.startswith("error: ") and said.count("\n") == 1 and says in said
    assert [path.name for path in tmp_path.iterdir()] == ["crawl"]


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "c.warc").touch()
    assert parse_root("~/steps") == str(tmp_path / "steps")
    assert parse_source("~/c.warc") == parse_source("~/*.warc ~/c.warc") == (str(tmp_path / "c.warc"),)


def test_what_is_alarming_is_said_at_the_end_of_the_run_and_once(tmp_path, capsys):
    (tmp_path / "c.warc").touch()
    command = ["corpus", "any", "--local", "--source", str(tmp_path / "c.warc"), "--root", str(tmp_path / "root")]
    command += ["--set", "alarms.allow_empty=true"]
    for said in ("alarm: Nothing was kept of 1 record.", ""):
        assert main(command) == 0
        out, log = capsys.readouterr()
        assert out.count("\n") == 1 and said in log and bool(log) == bool(said)


def test_folders_that_are_no_root(tmp_path, capsys):
    assert main(["gc", "--root", str(tmp_path / "none")]) == 0
    assert f"nothing to remove in {tmp_path}/none" in capsys.readouterr().err
    (tmp_path / "file").touch()
    for command in ("funnel", "costs"):
        assert main([command, str(tmp_path / "file")]) == 2
        assert "file: no finished corpus" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("command", ["explain x --recipe any", "funnel .", "plan any", "index x"])
def test_folders_without_rights_are_told_in_one_line(tmp_path, monkeypatch, capsys, command, number):
    def refused(*_):
        raise OSError(number, f"Failed on 'x'. {os.strerror(number)}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.store.filesystem.Store.info", refused)
    assert main(command.split()) == 2
    said = capsys.readouterr().err
    assert said == f"error: Failed on 'x'. {os.strerror(number)}; give a folder that can be read and written\n"


def test_answers_are_utf_8_whatever_the_locale(tmp_path):
    (tmp_path / "a.html").write_text("<p>" + "Straße, Öl und Übermut sind “deutsch”. " * 20)
    command = [sys.executable, "-m", "pipeline", "extract", str(tmp_path / "a.html")]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True)
    assert "Straße, Öl und Übermut sind “deutsch”." in done.stdout.decode()


def test_other_errors_of_the_system_are_not_hidden(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("pipeline.store.filesystem.Store.info", broken)
    with pytest.raises(OSError, match="Input/output error"):
        main(["funnel", str(tmp_path)])


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names of files are bytes on Linux")
def test_a_root_with_a_name_that_is_not_utf_8(tmp_path, capsys):
    os.makedirs(os.fsencode(tmp_path) + b"/\xff")
    assert main(["gc", "--root", str(tmp_path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    with open(os.fsencode(tmp_path) + b"/\xff.warc.gz", "wb"):
        pass
    assert main(["corpus", "any", "--source", f"{tmp_path}/*.gz", "--root", str(tmp_path / "root")]) == 2
    assert "\\udcff.warc.gz': the name of the file is not UTF-8; rename it" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["corpus any --local --source c.warc", "plan any --source c.warc", "gc"])
def test_a_root_that_is_no_folder_is_told_in_one_line(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root").touch()
    (tmp_path / "c.warc").touch()
    assert main([*command.split(), "--root", "root"]) == 2
    said = capsys.readouterr().err
    assert said == "error: ROOT=root: a file, not a folder; give another ROOT\n"


def test_extracting_a_file_without_pages_fails(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no pages here\n")
    assert main(["extract", str(tmp_path / "notes.txt")]) == 2
    out, said = capsys.readouterr()
    assert out == "" and said.startswith("not_a_warc: 1 record without text\nerror: ") and "no page in it" in said


def test_sigterm_stops_a_run_on_ray_as_ctrl_c_does(tmp_path):
    (tmp_path / "c.warc").touch()
    command = [sys.executable, "-m", "pipeline", "corpus", "any", "--workers", "1", "--root", str(tmp_path / "root")]
    with subprocess.Popen([*command, "--source", str(tmp_path / "c.warc")], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "pages: 1 shard" in line:
                break
        time.sleep(0.2)
        os.kill(run.pid, signal.SIGTERM)
        said = run.stderr.read()
        assert run.wait() == 130, said
    assert said.splitlines()[-1] == "stopped; run the same again to continue where it was"


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_make_hands_every_variable_on_as_one_word():
    given = ["ROOT=it's here", "SOURCE=a b; c", "WORKERS=2; echo oops", 'SET=near.threshold=0.7 publish.tag=it\'s "x"']
    command = ["make", "--dry-run", "--old-file", ".venv/ready", "corpus", "LANG=de", *given]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=True)
    line = next(line for line in done.stdout.splitlines() if "-m pipeline corpus" in line)
    said = dict(zip(*[iter(shlex.split(line)[5:])] * 2, strict=True))
    wanted = {"--root": "it's here", "--source": "a b; c", "--workers": "2; echo oops"}
    assert said == {**wanted, "--set": 'near.threshold=0.7 publish.tag=it\'s "x"'}


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], []),
        (["SOURCE=", "INDEX="], ["--source", "", "--index", ""]),
        (["SOURCE=a b"], ["--source", "a b"]),
    ],
)
def test_make_hands_on_what_is_given_and_empty(given, wanted):
    command = ["make", "--dry-run", "--old-file", ".venv/ready", "plan", "LANG=de", *given]
    env = {k: v for k, v in os.environ.items() if k not in ("SOURCE", "INDEX")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=True, env=env)
    line = next(line for line in done.stdout.splitlines() if "-m pipeline plan" in line)
    assert shlex.split(line)[5:] == ["--root", "data", *wanted]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (["near.threshold=0.7"], {"near.threshold": "0.7"}),
        (["a.b=1 c.d=2\te-f.g=3"], {"a.b": "1", "c.d": "2", "e-f.g": "3"}),
        (["a.b = 1  c.d =2 "], {"a.b": "1", "c.d": "2"}),
        (["publish.tag=two words a.b=1"], {"publish.tag": "two words", "a.b": "1"}),
        (['publish.tag="a b.c=1" a.b=1'], {"publish.tag": '"a b.c=1"', "a.b": "1"}),
        (["publish.tag='a b.c=1' a.b=1"], {"publish.tag": "'a b.c=1'", "a.b": "1"}),
        (['a.b=["x y", "z"] c.d={ e = 1 }'], {"a.b": '["x y", "z"]', "c.d": "{ e = 1 }"}),
        (["publish.tag=it's a.b=1"], {"publish.tag": "it's", "a.b": "1"}),
        (["spans=on"], {"spans": "on"}),
        (["a.b=1", "a.b=2 c.d="], {"a.b": "2", "c.d": ""}),
        (["", " "], {}),
    ],
)
def test_settings_of_the_command_line(said, wanted):
    assert parse_overrides(said) == wanted


@pytest.mark.parametrize("said", ["near.threshold", "=1", " = 1", "threshold 0.7"])
def test_what_is_no_setting(said):
    with pytest.raises(UserError, match=r"write it as SECTION\.KEY=VALUE"):
        parse_overrides([said])
