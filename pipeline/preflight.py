"""Checks of files and settings that stages would fail on only after hours of work, made before anything runs."""

from filters.contamination.benchmarks import read_benchmark
from filters.pii.mask import check_masking_syntax
from filters.quality.reference_texts import check_readable
from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.builder import locate_errors
from pipeline.config.recipe_file import Config

# Setting of [publish] -> parameter of the check of masking.
_MASKING_SETTINGS = {"pii": "kinds", "region": "region", "tag": "tag"}


def check_inputs(config: Config) -> None:
    """Read the first record of reference texts and benchmarks, and check the settings of masking.

    Raises UserError with the place in the recipe.
    """
    if config.is_on("quality"):
        _check_references(config)
    if config.is_on("decontaminate"):
        _check_benchmarks(config)
    for setting, parameter in _MASKING_SETTINGS.items():
        if setting in config["publish"]:
            with locate_errors(config.error_prefix(f"publish.{setting}")):
                check_masking_syntax(**{parameter: config["publish"][setting]})


def _check_references(config: Config) -> None:
    settings = config["quality"]
    for asset in settings.get("references", ()):
        with locate_errors(config.error_prefix("quality.references")):
            check_readable(asset.path, settings.get("text_column", "text"))


def _check_benchmarks(config: Config) -> None:
    files = config["decontaminate"].get("benchmarks", ())
    names = config["decontaminate"].get("names", ())
    if not files:
        hint = 'type benchmarks = ["file.jsonl"] in it, or decontaminate = "off"'
        raise UserError(f"{config.error_prefix('decontaminate.benchmarks')}no benchmark is named: {hint}")
    for asset in files:
        with locate_errors(config.error_prefix("decontaminate.benchmarks")):
            next(read_benchmark(asset.path), None)
    if names and len(names) != len(files):
        counts = f"{counted(len(names), 'name')} for {counted(len(files), 'benchmark')}"
        with locate_errors(config.error_prefix("decontaminate.names")):
            raise UserError(f"names: {counts}; give one each, or leave names out")
