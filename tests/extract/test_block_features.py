"""Names of the block classifier's features: columns are found by name, in code and in the weights file."""

import hashlib
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from extract.blocks import model
from extract.blocks.engine import block_log_odds
from extract.blocks.features import columns
from extract.blocks.model import WEIGHTS, load_model, save_model, shipped_model
from extract.blocks.scan.scanner import scan
from extract.blocks.scan.tags import TAG_NAMES
from extract.blocks.training.gold import load_gold
from pipeline.base.paths import CHECKOUT
from pipeline.kernels.disk_cache import cache_root
from tests.support.block_features import all_features

_PAGE = b"""<html><head><title>A story of names</title><meta property="og:type" content="article"></head>
<body class="post-page"><nav class="main-menu"><ul><li><a href="/">Home</a><li><a href="/b">Read more</a></ul></nav>
<div id="content"><h1>A story of names</h1><p>First, a paragraph that is long enough to be text: it has commas, and <b>
bold</b> words. It ends here.<p>Another one follows, with <a href="x">a link</a> in it, 12 digits and CAPITALS.
<h2 class="section-title">Part two</h2><p>More text of the same kind, as long as the first one was, or nearly so.
<table><tr><td>one<td>2<tr><td>three<td>4</table><pre>code = 1</pre><img src="i"></div>
<div class="card"><p>Card one</div><div class="card"><p>Card two</div><div class="card"><p>Card two</div>
<footer class="site-footer"><form><input name="q"></form><p>Imprint<br>2020 | Contact</footer>"""

_INSERT_EVERYWHERE = '''
def _with_insertions(names, prefix):
    """A new name before every name, also within families."""
    return tuple(new for k, name in enumerate(names) for new in (f"{prefix}_{k}", name))


FIRST_PASS = _with_insertions(FIRST_PASS, "inserted_first")
SECOND_PASS = _with_insertions(SECOND_PASS, "inserted_second")
FEATURES = FIRST_PASS + SECOND_PASS
'''


def test_a_name_inserted_anywhere_changes_no_other_column(tmp_path: Path) -> None:
    """In a copy of the code with new names before every feature, features and predictions are the same."""
    for package in ("extract", "pipeline", "tests"):
        shutil.copytree(CHECKOUT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", ".cache"))
    declaration = tmp_path / "extract/blocks/features/columns.py"
    source = declaration.read_text(encoding="utf-8")
    end_of_names = "FEATURES = FIRST_PASS + SECOND_PASS\n"
    assert source.count(end_of_names) == 1
    declaration.write_text(source.replace(end_of_names, _INSERT_EVERYWHERE), encoding="utf-8")
    (tmp_path / "page.html").write_bytes(_PAGE)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "CORPUS_CACHE": str(cache_root())}
    command = [sys.executable, "-m", "tests.support.block_features", "page.html", "features.npz"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    with np.load(tmp_path / "features.npz") as archive:
        names, changed, log_odds = archive["names"].tolist(), archive["features"], archive["log_odds"]
    assert len(names) == 2 * columns.N_FEATURES
    by_name = {name: changed[:, column] for column, name in enumerate(names)}
    expected = all_features(_PAGE)
    for column, name in enumerate(columns.FEATURES):
        assert by_name[name].tolist() == expected[:, column].tolist(), name
    assert not any(by_name[name].any() for name in names if name.startswith("inserted"))
    assert log_odds.tolist() == block_log_odds(scan(_PAGE), _PAGE, shipped_model()).tolist()


def test_feature_names_are_unique_and_families_are_found_in_order() -> None:
    assert len(set(columns.FEATURES)) == columns.N_FEATURES == len(columns.FEATURES)
    assert columns.FEATURES[columns.words] == "words"
    windows = [f"window_link_share:{blocks}" for blocks in columns.WINDOWS]
    assert [columns.FEATURES[column] for column in columns.window_link_share] == windows
    with pytest.raises(AttributeError, match="no feature 'wrods'"):
        columns.wrods  # noqa: B018 - the access itself is tested


def test_the_weights_were_trained_with_the_declared_names() -> None:
    with np.load(WEIGHTS) as archive:
        assert tuple(archive["features"].tolist()) == columns.FEATURES
        assert tuple(archive["tags"].tolist()) == TAG_NAMES
        assert tuple(archive["page_kinds"].tolist()) == columns.PAGE_KINDS


def test_trees_find_their_columns_by_name_when_the_order_changes(monkeypatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    save_model(load_model(), tmp_path / "weights.npz")
    assert (tmp_path / "weights.npz").read_bytes() == WEIGHTS.read_bytes()
    names = ("new", *reversed(columns.FEATURES))
    original = load_model().second.feature  # type: ignore[union-attr]
    monkeypatch.setattr(model, "FEATURES", names)
    moved = load_model().second.feature  # type: ignore[union-attr]
    expected = [columns.FEATURES[column] if column >= 0 else None for column in original]
    assert [names[column] if column >= 0 else None for column in moved] == expected


def test_weights_of_unknown_features_or_of_other_numbers_are_refused(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    with monkeypatch.context() as patch:
        patch.setattr(model, "FEATURES", columns.FEATURES[1:])
        with pytest.raises(ValueError, match=r"features that columns\.py does not have: words"):
            load_model()
    for name, others in (("TAG_NAMES", ("", "a", "new", *TAG_NAMES[2:])), ("PAGE_KINDS", ("new", *columns.PAGE_KINDS))):
        with monkeypatch.context() as patch:
            patch.setattr(model, name, others)
            with pytest.raises(ValueError, match="trained with other"):
                load_model()


def test_new_weights_raise_the_stages_version() -> None:
    from extract.pages import pages

    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:16]
    assert (pages.stage.version, digest) == (11, "8d1d99cb9b972e93")  # type: ignore[attr-defined]


def test_features_are_finite_on_real_pages(shared: Path) -> None:
    for page in islice(load_gold(shared), 0, 100, 10):
        features = all_features(page.html.encode("utf-8", "replace"))
        assert features.shape[1] == columns.N_FEATURES
        assert np.isfinite(features).all()
