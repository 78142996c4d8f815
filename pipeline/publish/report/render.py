"""One self-contained HTML page about a corpus: what was dropped and why, what is alarming, what the texts look like.

The page has no script and loads nothing. Text of crawled pages is escaped (`pipeline/publish/templating.py`), and their
addresses are no links, since some pages of a crawl are not for clicking. It is well-formed XML too, so that a test can
parse it strictly. It does not tell what the corpus cost (`pipeline/commands/costs.py`): its bytes must not depend on
the machine.
"""

import re
from typing import Any

from pipeline.base.format import format_bytes
from pipeline.publish.templating import html_environment

# "kept": documents, "dropped": records by (stage, rule), "hits": documents that share text with a benchmark item.
Samples = dict[str, Any]  # see pipeline/publish/samples.py

MAX_BARS = 15  # of a chart whose number of rows depends on the crawl


def render_report(stats: dict[str, Any], samples: Samples, name: str, language: str) -> str:
    """Return the page.

    Args:
        stats: Content of `stats.json`.
        samples: Documents and records to show, with their addresses and excerpts.
        name: Title of the corpus.
        language: ISO 639 code of the corpus, empty if it has none.
    """
    page = html_environment(__package__).get_template("page.html.j2")
    dropped = samples["dropped"]
    reasons = [row for row in stats["funnel"] if (row["stage"], row["rule"]) in dropped]
    return page.render(
        stats=stats,
        name=name,
        language=language,
        kept_samples=samples["kept"],
        dropped_samples=[(reason, dropped[reason["stage"], reason["rule"]]) for reason in reasons],
        contamination_hits=samples["hits"],
        rule_examples={rule: rows[0] for (_, rule), rows in sorted(dropped.items()) if rows},
        charts=_charts(stats),
        format_bytes=format_bytes,
        bar_segments=bar_segments,
        join_lines=join_lines,
    )


def bar_segments(total: float, parts: list[tuple[float, str]]) -> list[tuple[str, str, str]]:
    """Return (CSS class, x, width) of each segment of a horizontal bar, in percent of `total`, from left to right.

    `parts` are pairs of a value and a CSS class.
    """
    x, segments = 0.0, []
    for value, css_class in parts:
        width = 100 * value / total if total else 0.0
        segments.append((css_class, f"{x:.2f}", f"{width:.2f}"))
        x += width
    return segments


def join_lines(text: str) -> str:
    """Return the text in one line, with a sign for each line break: menus of a word a line would fill screens."""
    return re.sub(r"(?<!\s)\s*\n\s*", " ↵ ", text)


def _charts(stats: dict[str, Any]) -> list[tuple[str, list[tuple[str, float]]]]:
    """Return the bar charts that have any rows: a title, and pairs of a label and a value."""
    quality = stats["quality"]
    lengths = [(f"{bin_['from']:,}–{bin_['below'] - 1:,}", bin_["documents"]) for bin_ in stats["lengths"]]
    deciles = [(f"{10 * (i + 1)} %", bound) for i, bound in enumerate(quality["deciles"])] if quality else []
    dropped_languages = [(name, counts["dropped"]) for name, counts in stats["languages"].items() if counts["dropped"]]
    hosts = [(host["host"], host["documents"]) for host in stats["hosts"]["top"]]
    charts = [
        ("Length in characters", lengths),
        ("Quality: deciles of kept documents", deciles),
        ("Language of dropped documents", dropped_languages[:MAX_BARS]),
        ("Hosts with most kept documents", hosts[:MAX_BARS]),
        ("Kept documents by dump", [(name or "unknown", counts["kept"]) for name, counts in stats["dumps"].items()]),
        ("Personal data masked", list(stats["pii"].items())),
    ]
    return [(title, rows) for title, rows in charts if rows]
