"""What stages would find wrong after hours of work, looked at before anything runs: files of texts, lists, masking."""

from filters.contamination import benchmarks
from filters.pii import mask as pii
from filters.quality import reference_texts as corpora
from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.builder import locate_errors
from pipeline.config.recipe_file import Config


def check(c: Config) -> None:
    """Read the first record of references and benchmarks, and what decides about masking. Raises UserError."""
    if c.has("quality"):
        _references(c)
    if c.has("decontaminate"):
        _benchmarks(c)
    for setting, name in (("pii", "kinds"), ("region", "region"), ("tag", "tag")):
        if setting in c["publish"]:
            with locate_errors(c.at(f"publish.{setting}")):
                pii.check_words(**{name: c["publish"][setting]})


def _references(c: Config) -> None:
    said = c["quality"]
    for asset in said.get("references", ()):
        with locate_errors(c.at("quality.references")):
            corpora.check(asset.path, said.get("text_column", "text"))


def _benchmarks(c: Config) -> None:
    said, names = c["decontaminate"].get("benchmarks", ()), c["decontaminate"].get("names", ())
    if not said:
        hint = 'type benchmarks = ["file.jsonl"] in it, or decontaminate = "off"'
        raise UserError(f"{c.at('decontaminate.benchmarks')}no benchmark is named: {hint}")
    for asset in said:
        with locate_errors(c.at("decontaminate.benchmarks")):
            next(benchmarks.read(asset.path), None)
    if names and len(names) != len(said):
        count = f"{counted(len(names), 'name')} for {counted(len(said), 'benchmark')}"
        raise UserError(f"{c.at('decontaminate.names')}names: {count}; give one each, or leave names out")
