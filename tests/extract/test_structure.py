"""Structure: headings, lists, tables, code, formulas; plain and as Markdown; constructed pages and real ones."""

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extract import engines
from extract.blocks.engine import extract_blocks, render_all
from extract.blocks.render import render
from extract.blocks.scan.scanner import scan
from extract.blocks.training.gold import GoldPage, load_gold
from extract.html.formulas import MAX_FORMULA, formulas_to_tex, tex_source
from extract.html.mathml import mathml_to_latex
from tests.bench.downstream import overlap
from tests.bench.structure import canonical, parsed, scores, similarity
from tests.support.structure_gold import expected
from tests.support.structure_pages import constructed

_TEX = r'<annotation encoding="application/x-tex">\frac{1}{2}</annotation>'
_KATEX = (
    f'<span class="katex"><span class="katex-mathml"><math><semantics><mi>a</mi>{_TEX}</semantics></math></span>'
    '<span class="katex-html" aria-hidden="true"><span>1</span><span>2</span></span></span>'
)
_WIKI = (
    '<span class="mwe-math-element"><span style="display:none"><math alttext="{\\displaystyle x&lt;1}"><mi>x</mi>'
    '</math></span><img src="u" class="mwe-math-fallback-image-inline" alt="{\\displaystyle x&lt;1}"/></span>'
)
_MJX = (
    '<mjx-container display="true"><mjx-math><mjx-c></mjx-c></mjx-math><mjx-assistive-mml><math display="block">'
    "<msqrt><mi>x</mi></msqrt></math></mjx-assistive-mml></mjx-container>"
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('x <script type="math/tex">a^2</script> y', "x $a^2$ y"),
        ('x<script type="math/tex; mode=display">a &lt; % no\n b</script>y', "x$$a &lt; b$$y"),
        (f"<p>x <math><semantics><mi>q</mi>{_TEX}</semantics></math> y", r"x $\frac{1}{2}$ y"),
        ('<math alttext="x&lt;1"><mi>x</mi></math>.', "$x<1$."),
        ("<p>a <math><mi>x</mi><mo>&lt;</mo><mn>1</mn></math> b", "a $x<1$ b"),
        ("<mml:math><mml:mi>x</mml:mi></mml:math>b", "$x$b"),
        (f"{_KATEX}c", r"$\frac{1}{2}$c"),
        (f'<span class="katex-display">{_KATEX}</span>c', r"$$\frac{1}{2}$$c"),
        ('<span class="katex-html">drawn only</span>c', "drawn onlyc"),
        (f"{_WIKI}.", "$x<1$."),
        (_MJX, r"$$\sqrt{x}$$"),
        (
            '<span class="MathJax_Preview"></span><span class="MathJax" id=m><nobr>d</nobr></span>'
            '<script type="math/tex">x_1</script>.',
            "$x_1$.",
        ),
        ('E <img class="tex" src="/math/1.png" alt="mc^2"> e', "E $mc^2$ e"),
        ('<img src="//s0.wp.com/latex.php?latex=i" alt="i\\hbar" class="latex">', r"$i\hbar$"),
        ('<img src="//latex.codecogs.com/gif.latex?x" alt="$x$">', "$x$"),
        ('<img eeimg="1" src="//x.com/equation?tex=y" alt="\\[y\\]">', "$y$"),
        ('<img src="latex.png" class="latex-glove" alt="a glove">x', "x"),
        ("math <img src=latex.php?x>x", "math x"),
        (r"math \(a &lt; b\) and $c$", r"math \(a < b\) and $c$"),
        ("math \\[x_1^2\n<b>*</b> y\\]<br>$$\na\\\\\n$$", "math \\[x_1^2 * y\\]\n$$ a\\\\ $$"),
        ("<script>'<math>latex</math>'</script><!-- <math><mi>x</mi></math> -->y", "y"),
        ("<math>x", "x"),
        ("<math><mi>x</mi></body><body><mi>y</mi></math>", "$x$"),
        ("<math><mi>x</mi></math><math></math>", "$x$"),
        ('<script type="math/asciimath">x</script>y', "y"),
        (f"<math>{'<mi>x</mi>' * MAX_FORMULA}</math>y", "x" * MAX_FORMULA + "y"),
    ],
)
def test_formulas_become_tex(html: str, text: str) -> None:
    assert render_all(formulas_to_tex(html)) == text


def test_a_page_without_formulas_stays_as_it_is() -> None:
    html = "<p>latex gloves and math class <img src=x alt=y><span class='a math'>1</span>"
    assert formulas_to_tex(html) is html or formulas_to_tex(html) == html


MATHML = [
    ("<mi>x</mi><mo>=</mo><mn>1.5</mn>", "x=1.5"),
    ("<mi>&alpha;</mi><mi>b</mi>", r"\alpha b"),
    ("<mi>&Gamma;</mi><mo>&leq;</mo><mi>&phi;</mi><mo>&rarr;</mo><mn>0</mn>", r"\Gamma\leq\varphi\to0"),
    ("<mi>&Alpha;</mi><mi>&Delta;</mi><mi>&omicron;</mi><mi>&#x3DD;</mi>", r"Α\Delta ο\digamma"),  # no \Alpha in LaTeX
    ("<mi>sin</mi><mo>&#x2061;</mo><mi>x</mi>", r"\sin x"),
    ("<mi>speed</mi>", r"\mathrm{speed}"),
    ('<mi mathvariant="bold">v</mi>', r"\mathbf{v}"),
    ("<mi>&#x211D;</mi><mi>&#x1D4D0;</mi>", r"\mathbb{R}\mathcal{A}"),
    ("<msup><mi>x</mi><mn>2</mn></msup><msub><mi>a</mi><mrow><mi>i</mi><mi>j</mi></mrow></msub>", "x^{2}a_{ij}"),
    ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>", "x_{i}^{2}"),
    ("<msup><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></msup>", "{a+b}^{2}"),
    ("<msup><mi>f</mi><mo>&#x2032;</mo></msup>", "f'"),
    ("<mfrac><mn>1</mn><mi>n</mi></mfrac>", r"\frac{1}{n}"),
    ("<msqrt><mi>x</mi><mo>+</mo><mn>1</mn></msqrt>", r"\sqrt{x+1}"),
    ("<mroot><mi>x</mi><mn>3</mn></mroot>", r"\sqrt[3]{x}"),
    (
        "<munderover><mo>&sum;</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover><mi>i</mi>",
        r"\sum_{i=1}^{n}i",
    ),
    ("<munder><mi>lim</mi><mrow><mi>x</mi><mo>&rarr;</mo><mn>0</mn></mrow></munder>", r"\lim_{x\to0}"),
    ("<mover><mi>x</mi><mo>&#xAF;</mo></mover><mover><mi>y</mi><mo>^</mo></mover>", r"\overline{x}\hat{y}"),
    ("<mover><mo>=</mo><mtext>def</mtext></mover>", r"\overset{\text{def}}{=}"),
    ("<munder><mrow><mi>a</mi><mi>b</mi></mrow><mo>&#x23DF;</mo></munder>", r"\underbrace{ab}"),
    ("<mo>(</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo>)</mo>", r"\left(\frac{a}{b}\right)"),
    ('<mo>(</mo><mfrac linethickness="0"><mi>n</mi><mi>k</mi></mfrac><mo>)</mo>', r"\binom{n}{k}"),
    (
        "<mo>[</mo><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr><mtr><mtd><mn>3</mn></mtd></mtr>"
        "</mtable><mo>]</mo>",
        r"\begin{bmatrix} 1 & 2 \\ 3 \end{bmatrix}",
    ),
    ("<mo>{</mo><mtable><mtr><mtd><mi>x</mi></mtd></mtr></mtable>", r"\begin{cases} x \end{cases}"),
    ('<mfenced open="[" close=")"><mi>a</mi><mi>b</mi></mfenced>', r"\left[a,b\right)"),
    (
        "<mmultiscripts><mi>C</mi><mn>6</mn><none/><mprescripts/><none/><mn>14</mn></mmultiscripts>",
        "{}^{14}C_{6}",
    ),
    ("<mtext>if </mtext><mi>x</mi><mspace width='1em'/><mi>y</mi>", r"\text{if }x\quad y"),
    ("<mo>{</mo><mi>a</mi><mo>}</mo><mo>%</mo>", r"\{a\}\%"),
    ("<menclose notation='box'><mi>x</mi></menclose>", r"\boxed{x}"),
    ("<semantics><mi>x</mi><annotation-xml><ci>y</ci></annotation-xml></semantics>", "x"),
    ("<mphantom><mi>x</mi></mphantom>", r"\phantom{x}"),
    ("<mrow>" * 200 + "<mi>&beta;</mi>" + "</mrow>" * 200, r"\beta"),
    ("", ""),
]


@pytest.mark.parametrize(("mathml", "tex"), MATHML)
def test_mathml_to_latex(mathml: str, tex: str) -> None:
    assert tex_source(f"<math>{mathml}</math>") == tex


_NAMES = ["mi", "mo", "mn", "mrow", "msup", "mfrac", "munderover", "mtable", "mtr", "mtd", "mfenced", "mmultiscripts"]
_NAMES += ["msqrt", "mtext", "mprescripts", "none", "semantics", "mover", "div", "annotation"]
_TREES = st.recursive(
    st.text(alphabet="xα∑({|_ \\%", max_size=3),
    lambda inner: st.tuples(st.sampled_from(_NAMES), st.lists(inner, max_size=4)).map(
        lambda t: f"<{t[0]}>{''.join(t[1])}</{t[0]}>"
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(_TREES)
@example("<mfrac>(</mfrac>")
def test_any_mathml_gives_a_line_with_balanced_braces(mathml: str) -> None:
    from lxml import html

    tex = mathml_to_latex(html.fragment_fromstring(f"<math>{mathml}</math>"))
    assert "\n" not in tex
    bare = re.sub(r"\\[\\{}]", "", tex)
    assert bare.count("{") == bare.count("}")


_PIECES = [
    "<math>",
    "</math>",
    "<mi>x</mi>",
    '<span class="katex">',
    "</span>",
    '<script type="math/tex">',
    "</script>",
]
_PIECES += [
    "<!--",
    "-->",
    '<img class="latex" alt="',
    '">',
    "<p>",
    "latex math ",
    "<mjx-container>",
    "</mjx-container>",
    "'",
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(_PIECES), max_size=40).map("".join))
def test_any_page_is_spelled_and_stays_so(html: str) -> None:
    once = formulas_to_tex(html)
    assert formulas_to_tex(html) == once
    extract_blocks(once)


@pytest.mark.parametrize(
    "html",
    [
        "<math>" * 100_000,
        "<math><mrow>" * 50_000 + "</math>",
        '<span class="katex">' * 100_000,
        "latex " + "<img " * 200_000,
        "latex " + '<img alt="' * 100_000,
        "math" + "<!--" * 200_000,
        "math" + "<script>" * 100_000,
        "<math>" + "<annotation encoding=" * 50_000 + "</math>",
        "math<span " + "class=" * 100_000,
        f"<math>{'<mover>' * 50}<mi>lim</mi>{'<mo>^</mo></mover>' * 50}</math>",
    ],
    ids=lambda html: html[:24],
)
def test_hostile_formulas_take_linear_time(html: str) -> None:
    import time

    begun = time.process_time()
    formulas_to_tex(html)
    assert time.process_time() - begun < 5


def both(html: str) -> tuple[str, str]:
    return render_all(formulas_to_tex(html)), render_all(formulas_to_tex(html), True)


_DATA = "<table><tr><th>a<th>b<tr><td>1<td>2</table>"


@pytest.mark.parametrize(
    ("html", "plain", "markdown"),
    [
        ("<h1>a</h1>b", "a\nb", "# a\n\nb"),
        ("<h6>a<br>b</h6>", "a\nb", "###### a b"),
        ("<p>a<p>b", "a\nb", "a\n\nb"),
        ("<ul><li>a<li>b</ul>", "- a\n- b", "- a\n- b"),
        ("<ol><li>a<li>b</ol>c", "1. a\n2. b\nc", "1. a\n2. b\n\nc"),
        ("<ol start=9><li>a<li>b</ol>", "9. a\n10. b", "9. a\n10. b"),
        ("<ul><li>a<ol><li>b<li>c</ol><li>d</ul>", "- a\n1. b\n2. c\n- d", "- a\n    1. b\n    2. c\n- d"),
        ("<ul><li>a<p>b</ul>", "- a\nb", "- a\n\n    b"),
        ("<ul><li>a<br>b</ul>", "- a\nb", "- a\n    b"),
        ("<ul><li><ul><li>a</ul></ul>", "- a", "- a"),
        ("<ol><li>a<li value=5>b<li>c</ol>", "1. a\n5. b\n6. c", "1. a\n5. b\n6. c"),
        (
            "<ol><li>a<pre>b\n\n c</pre><li>d</ol>",
            "1. a\nb\n\n c\n2. d",
            "1. a\n\n    ```\n    b\n    \n     c\n    ```\n\n2. d",
        ),
        ("<ul><li><pre>a\nb</pre></ul>", "a\nb", "-   ```\n    a\n    b\n    ```"),
        (f"<ol><li>x{_DATA}</ol>", "1. x\na | b\n1 | 2", "1. x\n\n    | a | b |\n    | --- | --- |\n    | 1 | 2 |"),
        (
            "<ul><li class=task-list-item><input type=checkbox checked>a<li class=task-list-item><p><input "
            "type=checkbox>b<li><input type=checkbox>c</ul>",
            "- a\n- b\n- c",
            "- [x] a\n- [ ] b\n- c",
        ),
        ("<blockquote>a<ul><li>b<li>c</ul>d</blockquote>", "a\n- b\n- c\nd", "> a\n>\n> - b\n> - c\n>\n> d"),
        ("<blockquote>a<pre>b\n\nc</pre></blockquote>", "a\nb\n\nc", "> a\n>\n> ```\n> b\n> \n> c\n> ```"),
        ("<ul><li><h3>a</h3><p>b</ul>", "a\nb", "### a\n\nb"),
        ("<blockquote><p>a<p>b</blockquote>c", "a\nb\nc", "> a\n>\n> b\n\nc"),
        ("<blockquote>a<br>b</blockquote>", "a\nb", "> a\n> b"),
        (_DATA, "a | b\n1 | 2", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("<table><tr><td>a|<td>b<br>c</table>", "a| | b c", "| a\\| | b c |\n| --- | --- |"),
        (
            "<table><tr><td colspan=2>a<td>b<tr><td><td>c<td>d</table>",
            "a |  | b\nc | d",
            "| a |  | b |\n| --- | --- | --- |\n|  | c | d |",
        ),
        (
            "<table><tr><td rowspan=2>a<td>b<tr><td>c</table>",
            "a | b\nc",
            "| a | b |\n| --- | --- |\n|  | c |",
        ),
        ("<table><tr><td><p>a<p>b<td>c</table>", "a b | c", "| a b | c |\n| --- | --- |"),
        ("<table><tr><td><p>a<p>b<p>c<td>d</table>", "a\nb\nc\nd", "a\n\nb\n\nc\n\nd"),
        (f"<table><tr><td>x<td>{_DATA}</table>", "x\na | b\n1 | 2", "x\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("<table><tr><td>a<tr><td>b</table>", "a\nb", "a\n\nb"),
        ("<table><caption>c</caption><tr><td>a<td>b</table>", "c\na | b", "c\n\n| a | b |\n| --- | --- |"),
        ("<pre>def f():\n    return  1</pre>", "def f():\n    return  1", "```\ndef f():\n    return  1\n```"),
        ("<pre><code class='x language-c++'>a\n\n\n  b</code></pre>", "a\n\n\n  b", "```c++\na\n\n\n  b\n```"),
        ("<div class='highlight-source-js'><pre>a</pre></div>", "a", "```js\na\n```"),
        ("<pre class='brush: python; toolbar: false'>a</pre>", "a", "```python\na\n```"),
        ("<pre>```</pre>", "```", "````\n```\n````"),
        ("<pre><div>a</div><div>  b</div></pre>", "a\n  b", "```\na\n  b\n```"),
        ("<pre>a<br>b</pre><pre>c</pre>", "a\nb\nc", "```\na\nb\n```\n\n```\nc\n```"),
        ("<table><tr><td><pre>1\n2</pre><td><pre>x\ny</pre></table>", "x\ny", "```\nx\ny\n```"),
        ("a <code>b</code> <kbd>c</kbd>d", "a b cd", "a `b` `c`d"),
        ("a<code> b c </code>d", "a b c d", "a `b c` d"),
        ("<code>a</code><tt>b</tt>", "ab", "`ab`"),
        ("<code></code>a", "a", "a"),
        ("<code>a<p>b</code>", "a\nb", "`a`\n\nb"),
        ("<code>a<br>b</code>", "a\nb", "```\na\nb\n```"),
        (
            "<code>if a:<br>&nbsp; &nbsp; b&nbsp; c<br>\n  d<br>&nbsp;<br>e</code> f<br>&nbsp;g",
            "if a:\n    b c\nd\ne f\ng",
            "```\nif a:\n    b c\nd\n```\n\n`e` f\ng",
        ),
        (
            "<div style='font-family: Menlo, monospace; white-space: pre;'><div>a (</div><div>    b,</div><br><div>)"
            "</div></div>c",
            "a (\n    b,\n)\nc",
            "```\na (\n    b,\n)\n```\n\nc",
        ),
        (
            "<p style='font-family:monospace;white-space:pre'>a  b<div style='white-space:pre'>c  d</div>",
            "a b\nc d",
            "a b\n\nc d",
        ),
        ("<p>a\x7fb&#127;\x01c&#2;", "abc", "abc"),
        ("m<sup>2</sup>, H<sub>2</sub>O, 10<sup>&minus;3</sup>", "m², H₂O, 10⁻³", "m², H₂O, 10⁻³"),
        ("20<sup>th</sup> 1<sup>er</sup> x<sub>i</sub> A<sup>&reg;</sup>", "20th 1er xi A®", "20th 1er xi A®"),
        ("a<sup>b<p>c</sup>d<sup></sup>e<sup> </sup>f", "ab\ncde f", "ab\n\ncde f"),
        ("2<sup>2<sup>3</sup></sup>4 <code>x<sup>5</sup></code>", "2²³4 x⁵", "2²³4 `x⁵`"),
        ("<pre>a<sup>2</sup></pre>", "a2", "```\na2\n```"),
        ("a<sup><a href=#n>[1]</a></sup><sup>[<a href=#m>b 2</a>]</sup>.", "a.", "a."),
        ("in 2019 <sup><a href=#n>2</a>, <a href=#m>3</a></sup> b", "in 2019 b", "in 2019 b"),
        ("a <sup><a href=#n>1</a></sup>b<sup>[2]</sup>c<sup>3</sup>", "a b[2]c³", "a b[2]c³"),
        ("<a href=#n><sup>1</sup></a>a <a href=x>10<sup>2</sup></a>", "a 10²", "a 10²"),
        ("a<sup><a href=x>beta</a></sup>", "abeta", "abeta"),
        ("<ol><li><sup><a href=#r>1</a></sup><li>b</ol>", "2. b", "2. b"),
    ],
)
def test_structure(html: str, plain: str, markdown: str) -> None:
    assert both(html) == (plain, markdown)


def test_tables_and_listings_are_taken_as_wholes() -> None:
    data = b"<p>x</p><table><tr><td>one two<td>c<tr><td>d<td>e</table><pre><div>f</div><div>g h i j</div></pre>"
    page = scan(data)
    taken = np.array([True, True, True, False, False, True, False])
    assert render(page, data, taken) == "x\none two | c\nd | e"
    taken[[2, 6]] = False, True
    assert render(page, data, taken) == "x\nf\ng h i j"


@pytest.mark.parametrize("engine", sorted(engines.ENGINES))
def test_every_engine_writes_markdown(engine: str) -> None:
    body = "<p>" + "A sentence that is long enough to be taken for the text of a page. " * 6 + "</p>"
    html = f"<html><body><article><h1>Head</h1>{body}<h2>Part</h2><pre>a\n    b</pre>"
    found = engines.extract(
        f"{html}<p>so <math><mi>x</mi></math></p>{body}</article></body></html>", engine, "default", True
    )
    lines = found.text.split("\n")
    assert {"# Head", "## Part", "```", "a", "    b", "so $x$"} <= set(lines)
    plain = engines.extract(f"{html}{body}</article></body></html>", engine).text
    assert "\n\n" not in plain and "## " not in plain and "    b" in plain


def test_formats_hold_the_same_words(shared) -> None:  # type: ignore[no-untyped-def]
    """What is taken does not depend on how it is written."""
    from itertools import islice

    for page in islice(load_gold(shared), 0, 494, 13):
        plain, markdown = extract_blocks(page.html), extract_blocks(page.html, "default", True)
        letters = ["".join(re.findall(r"[^\W\d_]+", text)) for text in (plain, re.sub(r"(?m)^`{3,}.*$", "", markdown))]
        assert letters[0] == letters[1]


def test_wikipedias_formulas_without_their_source(shared) -> None:  # type: ignore[no-untyped-def]
    """MathML converted is the TeX that MediaWiki wrote beside it, up to spelling."""
    page = next(page for page in load_gold(shared) if page.name == "en.wikipedia.org.tsne.html")
    found = re.findall(r"(?s)<math.*?</math>", page.html)
    pairs = [
        (tex_source(m), tex_source(re.sub(r'(?s)alttext="[^"]*"|<annotation.*?</annotation>', "", m))) for m in found
    ]
    assert len(pairs) > 30 and all(canonical(a or "") == canonical(b or "") for a, b in pairs)


def test_constructed_pages_keep_their_structure() -> None:
    """Every code, formula, table, list and heading of the benchmark's constructed pages, exactly."""
    for page in constructed():
        found = scores(page, parsed(extract_blocks(formulas_to_tex(page.html), "default", True)))
        assert all(score == 1 for values in found.values() for score in values), page.html


@given(st.text(alphabet="abc", max_size=8), st.text(alphabet="abc", max_size=8))
def test_similarity_is_levenshteins(a: str, b: str) -> None:
    def distance(x: str, y: str) -> int:
        if not x or not y:
            return len(x) + len(y)
        step = distance(x[1:], y[1:]) + (x[0] != y[0])
        return step if x[0] == y[0] else min(step, 1 + distance(x[1:], y), 1 + distance(x, y[1:]))

    assert similarity(a, b) == 1 - distance(a, b) / max(1, len(a), len(b))


def test_what_a_markdown_text_holds() -> None:
    found = parsed(
        "# A *b*\n\n1. c $x$\n    - d\n\n```py\n# e\n```\n\n| f | g\\| |\n| --- | --- |\n| 1 |  |\n\n> - h\n\n"
        "    ~~~\n    i\n      j\n    ~~~\n\n> ```\n> k\n> ```"
    )
    assert (found.headings, found.lists) == (["# A b"], ["1 1. c $x$", "2 - d", "1 - h"])
    assert (found.formulas, found.code, found.tables) == (["x"], ["# e", "i\n  j", "k"], [[["f", "g|"], ["1", ""]]])


def test_lists_and_headings_that_a_gold_text_holds() -> None:
    """Menus, tables of contents and repeats are none, whatever words they have."""
    from lxml import html

    tree = html.fromstring(
        "<div><ul><li>Home<li>One</ul><ol><li>One<li><p>two<ul><li>three</ul><li>four</ol><ul><li>a<b>b</b><!-- x -->c"
        "<br>d<li><svg><title>t</title></svg> <li><h3>One</h3>e</ul><h2>One</h2><h2>One</h2><h3></h3></div>"
    )
    page = GoldPage("", "", "", "", "", "", "One\n\n1. One\n2. two\n- three\nabc\nd\ne")
    found = expected(page, tree)
    assert found.lists == ["1 1. One", "1 1. two", "2 - three", "1 - abc"]
    assert found.headings == ["## One"]


def test_overlap_of_two_runs() -> None:
    assert overlap({"1": "a b", "2": "x"}, {"1": "b c", "3": "x"}) == (1 / 3, 1 / 3)
    assert overlap({}, {}) == (0, 0)
