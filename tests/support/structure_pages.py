"""Pages with known structure, in the markup of many systems: what `bench_structure` and the tests measure with."""

# ruff: noqa: E501 - formulas and markup as they are written

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape

Rows = list[list[str]]
_PROSE = "This sentence is long enough to be taken for the text of a page, and it says what the next thing is for. " * 4


@dataclass
class Page:
    """HTML and what must be found in it."""

    html: str
    code: list[str] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)
    tables: list[Rows] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)  # inline code in backticks; text around super- and subscripts


CODE = [
    "def mean(values):\n    total = 0.0\n    for value in values:\n        total += value\n\n    return total / len(values)",
    "<ul>\n\t<li>a &amp; b</li>\n\n\n\t<li>c</li>\n</ul>",
    "SELECT name, count(*)\n  FROM pages\n WHERE size > 10 -- bytes\n GROUP BY name;",
    "$ make test | tail -3\n# three lines\n\n    ok",
]
CODES: list[Callable[[str], str]] = [
    lambda c: f"<pre>{escape(c)}</pre>",
    lambda c: f'<pre><code class="language-x">\n{escape(c)}\n</code></pre>',
    lambda c: (
        f'<div class="highlight-source-x"><pre>{"".join(f"<span class=k>{escape(w)}</span>" for w in re.split(r"(?<= )", c))}</pre></div>'
    ),
    lambda c: (
        '<table class="rouge-table"><tr><td><pre class="lineno">{}</pre></td><td class="code"><pre>{}</pre></td></tr></table>'.format(
            "\n".join(str(i + 1) for i in range(c.count("\n") + 1)), escape(c)
        )
    ),
    lambda c: "<pre><code>{}</code></pre>".format(
        "\n".join(f'<span class="line">{escape(line)}</span>' for line in c.split("\n"))
    ),
    lambda c: "<pre>{}</pre>".format("<br>".join(escape(line) for line in c.split("\n"))),
]
# (TeX, MathML)
FORMULAS = [
    (r"a^{2}+b^{2}=c^{2}", "<msup><mi>a</mi><mn>2</mn></msup><mo>+</mo><msup><mi>b</mi><mn>2</mn></msup><mo>=</mo><msup><mi>c</mi><mn>2</mn></msup>"),
    (r"x=\frac{-b\pm\sqrt{b^{2}-4ac}}{2a}", "<mi>x</mi><mo>=</mo><mfrac><mrow><mo>−</mo><mi>b</mi><mo>±</mo><msqrt><msup><mi>b</mi><mn>2</mn></msup><mo>−</mo><mn>4</mn><mi>a</mi><mi>c</mi></msqrt></mrow><mrow><mn>2</mn><mi>a</mi></mrow></mfrac>"),
    (r"\sum_{i=1}^{n}i=\frac{n(n+1)}{2}", "<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover><mi>i</mi><mo>=</mo><mfrac><mrow><mi>n</mi><mo>(</mo><mi>n</mi><mo>+</mo><mn>1</mn><mo>)</mo></mrow><mn>2</mn></mfrac>"),
    (r"\int_{0}^{\infty}e^{-x}\,dx=1", "<msubsup><mo>∫</mo><mn>0</mn><mi>∞</mi></msubsup><msup><mi>e</mi><mrow><mo>−</mo><mi>x</mi></mrow></msup><mspace width='0.17em'/><mi>d</mi><mi>x</mi><mo>=</mo><mn>1</mn>"),
    (r"\lim_{x\to 0}\frac{\sin x}{x}=1", "<munder><mi>lim</mi><mrow><mi>x</mi><mo>→</mo><mn>0</mn></mrow></munder><mfrac><mrow><mi>sin</mi><mo>&#x2061;</mo><mi>x</mi></mrow><mi>x</mi></mfrac><mo>=</mo><mn>1</mn>"),
    (r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}", "<mrow><mo>(</mo><mtable><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr><mtr><mtd><mi>c</mi></mtd><mtd><mi>d</mi></mtd></mtr></mtable><mo>)</mo></mrow>"),
    (r"\forall\varepsilon>0\,\exists\delta>0", "<mo>∀</mo><mi>ε</mi><mo>&gt;</mo><mn>0</mn><mo>∃</mo><mi>δ</mi><mo>&gt;</mo><mn>0</mn>"),
    (r"\mathbb{E}[X]=\sum_{x}x\,P(X=x)", '<mi mathvariant="double-struck">E</mi><mo>[</mo><mi>X</mi><mo>]</mo><mo>=</mo><munder><mo>∑</mo><mi>x</mi></munder><mi>x</mi><mi>P</mi><mo>(</mo><mi>X</mi><mo>=</mo><mi>x</mi><mo>)</mo>'),
    (r"\hat{\beta}=(X^{T}X)^{-1}X^{T}y", "<mover><mi>β</mi><mo>^</mo></mover><mo>=</mo><mo>(</mo><msup><mi>X</mi><mi>T</mi></msup><mi>X</mi><msup><mo>)</mo><mrow><mo>−</mo><mn>1</mn></mrow></msup><msup><mi>X</mi><mi>T</mi></msup><mi>y</mi>"),
    (r"f'(x)\leq 0 \implies x\in A\cap B", "<msup><mi>f</mi><mo>′</mo></msup><mo>(</mo><mi>x</mi><mo>)</mo><mo>≤</mo><mn>0</mn><mo>⟹</mo><mi>x</mi><mo>∈</mo><mi>A</mi><mo>∩</mo><mi>B</mi>"),
    (r"\binom{n}{k}=\frac{n!}{k!(n-k)!}", "<mrow><mo>(</mo><mfrac linethickness='0'><mi>n</mi><mi>k</mi></mfrac><mo>)</mo></mrow><mo>=</mo><mfrac><mrow><mi>n</mi><mo>!</mo></mrow><mrow><mi>k</mi><mo>!</mo><mo>(</mo><mi>n</mi><mo>−</mo><mi>k</mi><mo>)</mo><mo>!</mo></mrow></mfrac>"),
    (r"\vec{F}=m\dot{v},\quad\overline{z}=\text{conj}(z)", "<mover><mi>F</mi><mo>→</mo></mover><mo>=</mo><mi>m</mi><mover><mi>v</mi><mo>˙</mo></mover><mo>,</mo><mspace width='1em'/><mover><mi>z</mi><mo>¯</mo></mover><mo>=</mo><mtext>conj</mtext><mo>(</mo><mi>z</mi><mo>)</mo>"),
]  # fmt: skip
MATH: dict[str, Callable[[str, str], str]] = {
    "MathML alone": lambda t, m: f"<math>{m}</math>",
    "MathML, prefixed": lambda t, m: "<mml:math>{}</mml:math>".format(re.sub(r"<(/?)(m)", r"<\1mml:\2", m)),
    "MathML with annotation": lambda t, m: f'<math><semantics><mrow>{m}</mrow><annotation encoding="application/x-tex">{escape(t)}</annotation></semantics></math>',
    "LaTeXML": lambda t, m: f'<math class="ltx_Math" alttext="{escape(t)}" display="inline"><mrow>{m}</mrow></math>',
    "MathJax 2 source": lambda t, m: f'<script type="math/tex">{t}</script>',
    "MathJax 2 drawn": lambda t, m: f'<span class="MathJax_Preview"></span><span class="MathJax" id="M1"><nobr><span>x</span></nobr></span><script type="math/tex" id="E1">{t}</script>',
    "MathJax 3 drawn": lambda t, m: f'<mjx-container class="MathJax"><mjx-math></mjx-math><mjx-assistive-mml><math>{m}</math></mjx-assistive-mml></mjx-container>',
    "KaTeX drawn": lambda t, m: f'<span class="katex"><span class="katex-mathml"><math><semantics><mrow>{m}</mrow><annotation encoding="application/x-tex">{escape(t)}</annotation></semantics></math></span><span class="katex-html" aria-hidden="true"><span>x</span></span></span>',
    "Wikipedia": lambda t, m: f'<span class="mwe-math-element"><span class="mwe-math-mathml-inline" style="display: none;"><math alttext="{{\\displaystyle {escape(t)}}}"><mrow>{m}</mrow></math></span><img src="//x.org/math/1.svg" class="mwe-math-fallback-image-inline" alt="{{\\displaystyle {escape(t)}}}"/></span>',
    "picture": lambda t, m: f'<img src="/latex.php?1" class="latex" alt="{escape(t)}">',
    "source in the text": lambda t, m: rf"\({escape(t)}\)",
    "source between lines": lambda t, m: rf"<br>\[{escape(t)}\]<br>",
    "source between dollars": lambda t, m: f"<br>$$\n{escape(t)}\n$$<br>",
}  # fmt: skip
TABLES: list[tuple[str, Rows]] = [
    ("<table><tr><th>Year<th>Pages<th>Words</tr><tr><td>2019<td>12<td>3,400</tr><tr><td>2020<td>15<td>4,100</table>",
     [["Year", "Pages", "Words"], ["2019", "12", "3,400"], ["2020", "15", "4,100"]]),
    ("<table><thead><tr><th></th><th>mean</th><th>sd</th></tr></thead><tbody><tr><th>left</th><td>1.5</td><td></td></tr><tr><th>right</th><td></td><td>0.3</td></tr></tbody></table>",
     [["", "mean", "sd"], ["left", "1.5", ""], ["right", "", "0.3"]]),
    ("<table><tr><td colspan=2><b>Wide</b></td><td>c</td></tr><tr><td rowspan=2><p>Tall</p></td><td>x | y</td><td>1<br>2</td></tr><tr><td>z</td><td>3</td></tr></table>",
     [["Wide", "", "c"], ["Tall", "x | y", "1 2"], ["", "z", "3"]]),
    ("<table><tr><th scope=row>Length</th><td>12 m</td></tr><tr><th scope=row>Crew</th><td>4 <a href=x>sailors</a></td></tr><tr><th scope=row>Draught</th><td><ul><li>1.5 m</li></ul></td></tr></table>",
     [["Length", "12 m"], ["Crew", "4 sailors"], ["Draught", "1.5 m"]]),
    ("<table><thead><tr><th rowspan=2>Year</th><th colspan=2>Sales</th></tr><tr><th>north</th><th>south</th></tr></thead><tr><td>2019</td><td>12</td><td>3</td></tr><tr><td>2020</td><td colspan=2>no data</td></tr></table>",
     [["Year", "Sales", ""], ["", "north", "south"], ["2019", "12", "3"], ["2020", "no data", ""]]),
    ("<table><tr><td>Kind</td><td>one</td><td rowspan=3>all</td></tr><tr><td rowspan=2>two</td><td>a</td></tr><tr><td>b</td></tr></table>",
     [["Kind", "one", "all"], ["two", "a", ""], ["", "b", ""]]),
    ("<div class=wrap><table class='table'><tbody><tr><td><span>Weight</span></td><td><div>2 kg</div></td></tr><tr><td><span>Colour</span></td><td><div>red</div></td></tr></tbody></table></div>",
     [["Weight", "2 kg"], ["Colour", "red"]]),
]  # fmt: skip
LISTS: list[tuple[str, list[str]]] = [
    ("<ul><li>first thing to do<li>second thing to do<ul><li>a part of it</li><li>another part</li></ul></li><li>third thing</ul>",
     ["1 - first thing to do", "1 - second thing to do", "2 - a part of it", "2 - another part", "1 - third thing"]),
    ("<ol><li><p>open the file</p></li><li><p>read it</p><ul><li>line by line</li></ul></li><li><p>close it</p></li></ol>",
     ["1 1. open the file", "1 1. read it", "2 - line by line", "1 1. close it"]),
    ("<ul><li>one item here<ol><li>its step<ul><li>its detail</li></ul></li></ol></li></ul>",
     ["1 - one item here", "2 1. its step", "3 - its detail"]),
    ("<ul><li><p>first of them</p><p>with more to say</p><ul><li><p>a part of it</p><p>said in two</p></li><li><p>another part</p></li></ul></li><li><p>second of them</p></li></ul>",
     ["1 - first of them", "2 - a part of it", "2 - another part", "1 - second of them"]),
    ("<ol start=4><li>fourth step<br>goes on<li value=9><div>ninth step</div><ol><li><span>its <b>own</b> step</span></ol><li><a href=x>tenth</a> step</ol>",
     ["1 1. fourth step", "1 1. ninth step", "2 1. its own step", "1 1. tenth step"]),
    ("<blockquote><p>Those who come to the feast are asked for two things, as they were in the years before:</p><ul><li>bring bread, as much as you can carry</li><li>bring wine, and somebody who drinks it</li></ul></blockquote>",
     ["1 - bring bread, as much as you can carry", "1 - bring wine, and somebody who drinks it"]),
    ("<div><ul class=contains-task-list><li class=task-list-item><input type=checkbox checked disabled> write it</li><li class=task-list-item><input type=checkbox disabled> test it</li></ul></div>",
     ["1 - [x] write it", "1 - [ ] test it"]),
]  # fmt: skip
INLINE: list[tuple[str, list[str]]] = [
    ("<p>Call <code>mean(values)</code> or <tt>sum</tt>, then press <kbd>Enter</kbd>.</p>", ["`mean(values)`", "`sum`", "`Enter`"]),
    ("<p>It has 25 m<sup>2</sup>, so 10<sup>-3</sup> of H<sub>2</sub>O will do for the 20<sup>th</sup> time.</p>",
     ["25 m²", "10⁻³", "H₂O", "20th"]),
    ("<p>It was seen early<sup class=reference><a href='#cite-1'>[1]</a></sup> in the year 1975<sup><a href='#fn2'>2</a></sup>, and later.</p>",
     ["seen early in", "the year 1975, and"]),
]  # fmt: skip
# code in items and quotes: HTML with a place for code, items
CODE_WITHIN: list[tuple[str, list[str]]] = [
    ("<ol><li><p>open the shell</p>{}</li><li><p>read what it says</p></li></ol>", ["1 1. open the shell", "1 1. read what it says"]),
    ("<ul><li>for those who know<ul><li>write this:{}</li></ul></li></ul>", ["1 - for those who know", "2 - write this:"]),
    ("<blockquote><p>It is said that this helps:</p>{}</blockquote>", []),
]  # fmt: skip


def constructed() -> Iterator[Page]:
    """Articles of prose with one kind of structure each."""

    def article(inside: str) -> str:
        return (
            "<html><head><title>Title</title></head><body><nav><a href=/>Home</a></nav><article><h1>Title of it</h1>"
            f"<p>{_PROSE}</p>{inside}<p>{_PROSE}</p></article><footer>Imprint</footer></body></html>"
        )

    for write in CODES:
        yield Page(article(f"<p>{_PROSE}</p>".join(write(code) for code in CODE)), code=CODE)
    for spell in MATH.values():
        body = "".join(f"<p>{_PROSE[:150]} here {spell(*formula)} is meant.</p>" for formula in FORMULAS)
        yield Page(article(body), formulas=[tex for tex, _ in FORMULAS])
    for html, rows in TABLES:
        yield Page(article(html), tables=[rows])
    for html, items in LISTS:
        yield Page(article(f"<p>{_PROSE}</p>{html}"), lists=items)
    for html, items in CODE_WITHIN:
        yield from (Page(article(html.format(CODES[1](code))), code=[code], lists=items) for code in CODE)
    for html, spans in INLINE:
        yield Page(article(f"<p>{_PROSE}</p>{html}"), inline=spans)
    for k in range(1, 6):
        levels = (k, k + 1)
        body = "".join(f"<h{n}><a href=#x>Part <b>{n}</b></a></h{n}><p>{_PROSE}</p>" for n in levels)
        yield Page(article(body), headings=[f"{'#' * n} Part {n}" for n in levels])
