"""All features of a page's blocks, also as a command (PAGE.html OUT.npz), for a test in a changed copy of the code."""

import sys
from pathlib import Path

import numpy as np

from extract.blocks.engine import block_log_odds
from extract.blocks.features import columns
from extract.blocks.features.first_pass import first_pass_features
from extract.blocks.features.second_pass import fill_second_pass
from extract.blocks.model import shipped_model
from extract.blocks.scan.scanner import scan


def all_features(html: bytes) -> np.ndarray:
    """(blocks, N_FEATURES) of both passes; the second one gets evenly spaced probabilities."""
    page = scan(html)
    features = first_pass_features(page, html, shipped_model().vocabulary, columns.N_FEATURES)
    fill_second_pass(features, page, np.linspace(0.05, 0.95, len(features)))
    return features


if __name__ == "__main__":
    source = Path(sys.argv[1]).read_bytes()
    log_odds = block_log_odds(scan(source), source, shipped_model())
    np.savez(sys.argv[2], features=all_features(source), names=np.array(columns.FEATURES), log_odds=log_odds)
