import ipaddress

import pyarrow as pa
import pytest
from ftfy import badness
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.fix_text import fix_mojibake, ftfy_settings
from filters.pii import mask as pii
from pipeline.base.errors import UserError

E, IP, B, P = "<email-pii>", "<ip-pii>", "<iban-pii>", "<phone-pii>"

MASKED = [
    # e-mail
    ("Mail an jana.weber@beispiel-verein.de!", f"Mail an {E}!"),
    ("Kontakt:o'brien+news@mail.example.co.uk.", f"Kontakt:{E}."),
    ("<a@b.info>, 'c_d@e-f.museum'", f"<{E}>, '{E}'"),
    ("müller@bücher.de und почта@пример.рф", f"{E} und {E}"),
    ("请联系abc@example.com谢谢", f"请联系{E}谢谢"),
    ("info(at)ekbo.de, max [at] uba [dot] de, a.b (ät) c (punkt) de", f"{E}, {E}, {E}"),
    ("info(@)hvw-online.org", E),
    ("mailto:x@y.org?subject=a", f"mailto:{E}?subject=a"),
    # IP
    ("Zugriff von 188.102.128.236 um 12:30", f"Zugriff von {IP} um 12:30"),
    ("http://93.184.216.34:8080/", f"http://{IP}:8080/"),
    ("Edit by 2003:e7:df1b:3d00:8c2:41e1:6a5b:1234.", f"Edit by {IP}."),
    ("auf dem Server 93.184.216.34.", f"auf dem Server {IP}."),
    ("2a02:8109::7 war es", f"{IP} war es"),
    # IBAN
    ("IBAN: DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX", f"IBAN: {B} BIC COBADEFFXXX"),
    ("GB29NWBK60161331926819, FR14 2004 1010 0505 0001 3M02 606", f"{B}, {B}"),
    ("NO93 8601 1117 947", B),
    # phone
    ("Tel. +49 (0) 99 73 84 59 – 0", f"Tel. {P}"),
    ("+49 30 9599 8099 10187 Berlin", f"{P} 10187 Berlin"),
    ("Schweiz: 0041 44 826 76 76", f"Schweiz: {P}"),
    ("Telefon: (030) 78 95 47 78", f"Telefon: {P}"),
    ("Fax 0731/153 87-117", f"Fax {P}"),
    ("0151 15071635 oder 017656998944", f"{P} oder {P}"),
    ("Tel.: 0 61 51 / 405 -0", f"Tel.: {P}"),
    ("Pressestelle 0711-28077-500", f"Pressestelle {P}"),
    ("+ 49 (0)7141 2987780", P),
    ("unter der Nummer 0800 1331330", f"unter der Nummer {P}"),
    ("Redaktion\n0 36 31 / 46 55 08", f"Redaktion\n{P}"),
    ("call 212-306-6794, phone 1 (876) 926-3590", f"call {P}, phone {P}"),
    ("Telefonnummer: 03022751170", f"Telefonnummer: {P}"),
    ("Rufen Sie an: +380 44 207 33 05.", f"Rufen Sie an: {P}."),
]

LEFT = [
    # e-mail
    "@nutzer auf Mastodon", "icon@2x.png", "pip install pkg@1.2.3", "git@github.com:user/repo.git", "a @ b.de",
    "x@localhost",
    "Treffpunkt (at) Bahnhof",
    # IP
    "192.168.0.1", "10.11.12.133", "127.0.0.1", "192.0.2.77", "203.0.113.99", "224.0.0.251", "Kapitel 3.2.1.4",
    "Version 128.0.6613.120",
    "v99.10.20.30", "1.2.3.4.55", "999.300.1.1", "01.02.2003", "::1", "fe80::1", "2001:db8::1",
    "std::vector<int>", "00:1A:2B:3C:4D:5E", "12:30:45", "a::before",
    # IBAN
    "DE89 3704 0044 0532 0130 01", "IBAN DE00", "AT 12 UHR TREFFEN WIR UNS IM CAFE", "ISIN DE0007164600",
    # phone
    "am 05.10.2016 um 14:20", "05/08/2019", "1990-2024", "2021-03-04", "07-25-2008", "vom 02.02.2020 - 04.04.2020",
    "ISBN 978-3-16-148410-0", "ISBN 0-306-40615-2", "0-306-40615-2", "EAN 4006381333931", "Art.-Nr. 0815 4711 22",
    "Bestellnummer: 0211 998877", "Kto. 0123456789", "Preis 1.299,00 EUR", "0800 120 500 €", "12 345 678 Einwohner",
    "52.520008, 13.404954", "0.021486997604370117", "Öffnungszeiten 08.00 - 12.00 14.00 - 18.00",
    "01 02 03 04 05 06 07 08",
    "10 20 30 40 50 60 70", "04109 04229 04277", "3,14159265358979", "Tor 05 11 23 45", "0815471100", "#0301234567",
    "https://example.de/030/22751170", "Tel Aviv 1948-2018 wuchs", "USt-IdNr. DE 123456789", "DIN 03 456 78 901",
    "1234567890", "Hausnummer 12-14, 10115 Berlin", "Heft 030 / 2021", "+1 für diesen Vorschlag", "5+49 30 9599 8099",
    "0 1 2 3 4 5 6 7 8 9", "Teil 212-306-6794", "Az. 02 45 1234/19",
]  # fmt: skip

FOREIGN = [
    ("FR", "Mardi 02 51 40 38 62", f"Mardi {P}"),
    ("FR", "01 02 03 04 05", "01 02 03 04 05"),
    ("ES", "Teléfonos:\n934 448 031", f"Teléfonos:\n{P}"),
    ("ES", "934 448 031 habitantes", "934 448 031 habitantes"),
    ("PL", "tel.: 22 525 80 00", f"tel.: {P}"),
    ("US", "Call (212) 736-5000 or 212-736-5001", f"Call {P} or {P}"),
    ("US", "call 911, 20 736 50001", "call 911, 20 736 50001"),
    ("GB", "on 0845 46 47 or 020 7946 0018", f"on {P} or {P}"),
    ("IT", "Tel. 080.9697028", f"Tel. {P}"),
    ("NL", "bel 020 624 1111", f"bel {P}"),
    ("DK", "Tlf. 33 92 33 92", f"Tlf. {P}"),
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_what_is_masked(text, masked):
    assert pii.mask(text)[0] == masked


@pytest.mark.parametrize("text", LEFT)
def test_what_is_left_alone(text):
    assert pii.mask(text) == (text, {})


@pytest.mark.parametrize(("region", "text", "masked"), FOREIGN)
def test_numbering_plans(region, text, masked):
    assert pii.mask(text, region=region)[0] == masked


def test_counts_kinds_and_tag():
    text = "a@b.de, c@d.de, 188.102.128.236, +49 30 9599 8099, DE89370400440532013000"
    assert pii.mask(text)[1] == {"email": 2, "ip": 1, "phone": 1, "iban": 1}
    assert pii.mask(text, kinds=("ip",)) == (text.replace("188.102.128.236", IP), {"ip": 1})
    assert pii.mask("a@b.de", tag="[[{kind}]]")[0] == "[[email]]"
    assert pii.mask(text, kinds=()) == (text, {})


_PIECES = st.sampled_from(
    [
        "a@b.de",
        "030 22751170",
        "+49 30 9599 8099",
        "188.102.128.236",
        "DE89370400440532013000",
        "Tel. ",
        " ",
        "-",
        ".",
        "/",
        "(at)",
        "x",
        "0",
        "17",
        "0151",
        "@",
        "1.2.3.",
        "2003:",
        "::",
        "\n",
        "€",
        "(0)",
        "+",
        "ISBN ",
        "<phone-pii>",
        "é",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(_PIECES, max_size=12).map("".join))
@example("x@y.de@foo.de")
@example("030 22751170 188.102.128.236 0151 15071635")
def test_masking_is_idempotent(text):
    masked, counts = pii.mask(text)
    assert pii.mask(masked) == (masked, {})
    assert (masked == text) == (not counts)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.none() | st.lists(_PIECES, max_size=12).map("".join), max_size=4), st.sampled_from(["", pii.TAG]))
@example([text for text, _ in MASKED], pii.TAG)
@example([text for _, text, _ in FOREIGN], pii.TAG)
@example(
    ["name\u00a0(\nÄT\u00a0)\u00a0x.de", "0\u00a030\u00a0\u2010 22751170", "DE89\u00a03704.0044-0532 0130 00"], pii.TAG
)
def test_masking_a_column_is_masking_each_text(texts, tag):
    regions = ["DE", "FR", "US", "ES"] * len(texts)
    column, counts = pii.mask_all(pa.array(texts, pa.string()), pii.KINDS, regions[: len(texts)], tag)
    alone = [pii.mask(text or "", region=region, tag=tag) for text, region in zip(texts, regions, strict=False)]
    assert column.to_pylist() == [None if text is None else one for text, (one, _) in zip(texts, alone, strict=True)]
    assert counts == [count for _, count in alone]


@given(st.text(st.characters(exclude_categories=["Nd", "Cs"], exclude_characters="@[({")))
def test_without_digits_and_at_signs_nothing_is_masked(text):
    assert pii.mask(text) == (text, {})


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_an_address_is_masked_when_public_and_no_section_number(n):
    address = ipaddress.IPv4Address(n)
    public = address.is_global and not address.is_multicast and max(address.packed) >= 32
    assert pii.mask(f"von {address} aus")[0] == (f"von {IP} aus" if public else f"von {address} aus")


@settings(max_examples=200)
@given(st.text("0123456789", min_size=18, max_size=18))
def test_an_iban_is_masked_when_its_check_digits_are_right(bban):
    right = 98 - int(bban + "131400") % 97  # ISO 7064 mod 97-10 with D = 13, E = 14
    assert pii.mask(f"auf DE{right:02}{bban}", ("iban",))[0] == f"auf {B}"
    wrong = f"auf DE{(right + 1) % 97:02}{bban}"
    assert pii.mask(wrong, ("iban",))[0] == wrong


def test_long_runs_take_linear_time():
    """Each is a way in which such expressions blow up."""
    for text in (
        "a" * 200_000,
        "a." * 100_000,
        "1 " * 100_000,
        "12-(" * 50_000,
        "a:" * 100_000,
        "DE12" + "A1 " * 60_000,
    ):
        pii.mask(text + "@ (at) ::")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("email", "fone"), "DE", pii.TAG), "unknown kind 'fone'"),
        ((("email",), "XX", pii.TAG), "'XX' is no country"),
        ((("email",), "DE", "<{kind}1>"), "taken for personal data again"),
    ],
)
def test_bad_settings_are_reported(arguments, message):
    with pytest.raises(UserError, match=message):
        pii.check_masking(*arguments)


@pytest.mark.parametrize(
    ("host", "region"),
    [("a.at", "AT"), ("x.co.uk", "GB"), ("x.com", "DE"), ("x.io", "DE"), (None, "DE"), ("x.fr", "FR")],
)
def test_region_of_a_host(host, region):
    assert pii.region_of(host, "DE") == region


def fixed(text):
    return fix_mojibake(pa.array([text, None, "as it was"])).to_pylist()[0]


BROKEN = [
    ("SchÃ¶ne GrÃ¼ÃŸe", "Schöne Grüße"),
    ("Students’ Unionâ€™s", "Students’ Union’s"),
    ("a\u2028b\r\nc", "a\nb\nc"),
    ("u\u0308ber", "über"),
    ("P\ufeffotenzial\x08", "Potenzial"),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_mojibake_and_controls_are_fixed(text, expected):
    assert fixed(text) == expected


@pytest.mark.parametrize(
    "text", ["&lt;b&gt; in HTML", "“curly” ‘quotes’", "ﬁne ﬂow", "ＡＢＣ，１２３", "Tab\there", "ß Ã"]
)
def test_what_an_author_may_have_meant_stays(text):
    assert fixed(text) == text


_BAD = sorted({c for c in badness.BADNESS_RE.pattern if not c.isascii()})


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from([*_BAD, *"aZ 1,\n"]), max_size=40))
def test_the_short_cut_sees_every_sign_of_mojibake(text):
    import ftfy

    assert fixed(text) == ftfy.fix_text(text, ftfy_settings())


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from("aÃ¶Â\xa0â€™\u2028\r\n\x85u\u0308\ufeff é“ß😊ð\x1b[0m"), max_size=30))
def test_the_short_cut_changes_no_answer(text):
    import ftfy

    assert fixed(text) == ftfy.fix_text(text, ftfy_settings())


def test_real_pages_short_cut_and_idempotence(shared):
    import ftfy
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.extract.html2text import extract_plain_text

    seen, masked = 0, 0
    with open(shared / "warc/hplt-cc100.warc.gz", "rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response):
            text = extract_plain_text(record.reader.read().decode("utf-8", "replace"))
            assert fixed(text) == ftfy.fix_text(text, ftfy_settings())
            once, counts = pii.mask(text)
            column, each = pii.mask_all(pa.array([text]), pii.KINDS, ["DE"], pii.TAG)
            assert (column.to_pylist(), each) == ([once], [counts])
            assert pii.mask(once) == (once, {})
            seen, masked = seen + 1, masked + bool(counts)
    assert seen >= 90
    assert 10 <= masked <= 60  # neither blind nor wild


ADDRESSES_IN_A_ROW = [
    ("a'.'a'.'b@c.de", E),
    ("..a@b.de..c@d.de", f"..{E}..{E}"),
    ("a@2x.png..c@d.de", f"a@2x.png..{E}"),  # the first is a file, the second starts behind two dots
    ("a@b.de.c@d.de", "a@b.de.c@d.de"),  # .c is no top-level domain, and no address starts inside another one
    ("a.@b.de, .@b.de, a@.de", "a.@b.de, .@b.de, a@.de"),
    ("git@a.bc:x git@a.bc", f"git@a.bc:x {E}"),
]


@pytest.mark.parametrize(("text", "masked"), ADDRESSES_IN_A_ROW)
def test_addresses_that_touch(text, masked):
    assert pii.mask(text, ["email"])[0] == masked


def test_masking_ends_after_so_many_passes(monkeypatch):
    text = "a@b.de@c.de@d.de"  # with this tag each pass makes an address of the tag and what follows
    assert pii.mask(text, ["email"], tag="x")[0] == "x@x"
    monkeypatch.setattr(pii, "_MAX_PASSES", 1)
    assert pii.mask("a@b.de@c.de", ["email"], tag="x")[0] == "x@c.de"


@pytest.mark.parametrize("blank", [" ", "\t", ""])
def test_a_long_line_is_fixed_in_pieces(blank):
    line = f"schÃ¶n und grÃ¼n{blank}" * 5_000
    fixed = fix_mojibake(pa.array([f"{line}\nkurz grÃ¼n\n", None])).to_pylist()
    assert fixed == [f"schön und grün{blank}" * 5_000 + "\nkurz grün\n", None]


def test_a_cut_does_not_part_a_letter_from_its_marks():
    text = "x" * 19_999 + "a\u0308" * 3
    assert fix_mojibake(pa.array([text])).to_pylist() == ["x" * 19_999 + "äää"]
