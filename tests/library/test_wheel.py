"""The installed package: a wheel of this checkout, used from an empty folder by processes that have only the wheel."""

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.build import load_recipe
from pipeline.kernels.disk_cache import cache_root
from tests.support.captures import http_response, warc_record
from tests.support.paths import CHECKOUT

SENTENCE = "Der Hund schläft den ganzen Tag unter dem alten Tisch in der Küche."
USER_CODE = '''
from corpus_pipeline.plugins import Column, selection, sidecar, source


@sidecar(columns={"exclamation_ratio": float})
def exclamation_ratio(text):
    """Exclamation marks among the characters of the text, 0 to 1."""
    return [t.count("!") / max(1, len(t)) for t in text.to_pylist()]


def undeclared(text):
    return []
'''
RECIPE = 'extends = "de"\n[[sidecars]]\nuse = "signals.py:{function}"\n'


@dataclass
class InstalledPackage:
    """A folder with the installed wheel, and an empty one in which processes run."""

    wheel: Path
    site: Path
    empty: Path

    def run(self, *command: str | Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command, with environment variables, that finds the package and nothing of the checkout."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        # machine code is cached with the checkout's, so that only the first test run of a version compiles it
        environment |= {"PYTHONPATH": str(self.site), "CORPUS_CACHE": str(cache_root()), **variables}
        return subprocess.run(command, cwd=self.empty, env=environment, input=stdin, capture_output=True, text=True)

    def run_python(self, code: str, **variables: str) -> str:
        """Standard output and standard error of code in a new interpreter."""
        process = self.run(sys.executable, "-c", code, **variables)
        assert process.returncode == 0, process.stderr
        return process.stdout + process.stderr

    def run_command(self, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(self.site / "bin" / "corpus-pipeline", *arguments, stdin=stdin)


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> InstalledPackage:
    folder = tmp_path_factory.mktemp("installed")
    offline = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-cache-dir")
    pip = (sys.executable, "-m", "pip")
    build = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", folder, CHECKOUT]
    subprocess.run(build, check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", folder / "site", wheel], check=True, cwd=folder)
    (folder / "empty").mkdir()
    return InstalledPackage(wheel, folder / "site", folder / "empty")


def test_the_wheel_has_one_package_and_all_that_the_checkout_runs_with(package):
    files = set(zipfile.ZipFile(package.wheel).namelist())
    tops = {file.partition("/")[0] for file in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"corpus_pipeline"} and len(tops) == 2
    folders = [CHECKOUT / name for name in ("pipeline", "extract", "filters", "dedup", "configs")]
    paths = [
        path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    expected = {f"corpus_pipeline/_internal/{path.relative_to(CHECKOUT)}" for path in paths}
    assert {file for file in files if re.match("corpus_pipeline/_internal/.*/", file)} == expected


def test_importing_it_takes_no_names_of_others(package):
    code = "import corpus_pipeline, corpus_pipeline.plugins, sys; corpus_pipeline.mask('a@b.de'); print(*sys.modules)"
    names = {module.partition(".")[0] for module in package.run_python(code).split()}
    assert "corpus_pipeline" in names and names.isdisjoint({"pipeline", "extract", "filters", "dedup", "numba"})


def test_the_lines_of_the_readme_run(package):
    section = (CHECKOUT / "README.md").read_text().partition("## As a library\n")[2].partition("\n## ")[0]
    (lines,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    page = f"<title>Hund</title><article><h1>Hund</h1><p>{SENTENCE} {SENTENCE} Fragen? hund@example.org</p></article>"
    given = f"import pyarrow\nhtml, table = {page!r}, pyarrow.table({{'text': [{SENTENCE!r}] * 3}})\n"
    output = package.run_python(f"{given}{lines}\nprint(text)\nprint(language, script, kept.num_rows)")
    assert SENTENCE in output and "<email-pii>" in output and "hund@" not in output
    assert output.endswith("\nde Latn 1\n")


def test_the_command_identifies_lines(package):
    process = package.run_command("identify", stdin=f"{SENTENCE}\n")
    assert (process.returncode, process.stderr) == (0, "")
    assert re.fullmatch(r"de\t(0\.9\d*|1\.0)\tLatn\n", process.stdout)
    as_module = package.run(sys.executable, "-m", "corpus_pipeline", "identify", stdin=f"{SENTENCE}\n")
    assert as_module.stdout == process.stdout


def test_help_and_errors_name_the_command(package):
    assert package.run_command("--help").stdout.startswith("usage: corpus-pipeline ")
    process = package.run_command("plan", "xx")
    assert process.returncode == 2 and process.stderr.startswith("error: ")


def test_pages_are_extracted_in_a_child_process(package, tmp_path):
    html = f"<title>Hund</title><article><p>{SENTENCE} {SENTENCE}</p></article>"
    warc = tmp_path / "pages.warc.gz"
    warc.write_bytes(warc_record("response", http_response(html)))
    process = package.run_command("extract", warc, "--engine", "resiliparse")
    assert process.returncode == 0 and SENTENCE in process.stdout, process.stderr


def test_user_code_imports_the_public_package(package, tmp_path):
    (tmp_path / "signals.py").write_text(USER_CODE)
    for function in ("exclamation_ratio", "undeclared"):
        (tmp_path / f"{function}.toml").write_text(RECIPE.format(function=function))
    root = ("--root", tmp_path / "data")
    process = package.run_command("plan", tmp_path / "exclamation_ratio.toml", *root)
    assert process.returncode == 0 and "exclamation_ratio" in process.stdout, process.stderr
    process = package.run_command("plan", tmp_path / "undeclared.toml", *root)
    assert process.returncode == 2 and "write `from corpus_pipeline.plugins import sidecar`" in process.stderr


def test_steps_have_the_keys_that_they_have_in_the_checkout(package):
    """So a run of the one continues with what a run of the other has finished."""
    code = """
from corpus_pipeline._internal.pipeline.build import load_recipe
print(*[step.folder for step in load_recipe("de").steps.values()])
"""
    assert package.run_python(code).split() == [step.folder for step in load_recipe("de").steps.values()]


def test_nothing_is_cached_inside_the_package(package, tmp_path):
    code = "from corpus_pipeline._internal.pipeline.kernels.disk_cache import cache_root; print(cache_root())"
    folder = package.run_python(code, CORPUS_CACHE="", XDG_CACHE_HOME=str(tmp_path))
    assert folder.strip() == str(tmp_path / "corpus-pipeline")


def test_kernels_are_compiled_in_child_processes_that_find_the_package(package, tmp_path):
    """A run of that name does not exist: a child that finds the package says so, and compiles nothing."""
    code = """
from corpus_pipeline._internal.pipeline.kernels import compile
compile.TINY_RUNS = ("unknown",)
compile.ensure_compiled()
"""
    assert "KeyError: 'unknown'" in package.run_python(code, CORPUS_CACHE=str(tmp_path))
