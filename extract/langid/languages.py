"""Languages: their codes, and how common they are on the web (the prior of the embedded identifier)."""

import numpy as np

# ISO 639-3 code and its ISO 639-1 code, written as one word (SIL's table, which is public).
_ISO_CODES = """
    aaraa abkab afraf akaak amham araar argan asmas avaav aveae aymay azeaz bakba bambm belbe benbn bisbi bodbo
    bosbs brebr bulbg catca cescs chach chece chucu chvcv corkw cosco crecr cymcy danda deude divdv dzodz ellel
    engen epoeo estet euseu eweee faofo fasfa fijfj finfi frafr fryfy fulff glagd glega glggl glvgv grngn gujgu
    hatht hauha hbssh hebhe herhz hinhi hmoho hrvhr hunhu hyehy iboig idoio iiiii ikuiu ileie inaia indid ipkik
    islis itait javjv jpnja kalkl kankn kasks katka kaukr kazkk khmkm kikki kinrw kirky komkv konkg korko kuakj
    kurku laolo latla lavlv limli linln litlt ltzlb lublu luglg mahmh malml marmr mkdmk mlgmg mltmt monmn mrimi
    msams myamy nauna navnv nblnr ndend ndong nepne nldnl nnonn nobnb norno nyany ocioc ojioj orior ormom ossos
    panpa plipi polpl porpt pusps quequ rohrm ronro runrn rusru sagsg sansa sinsi slksk slvsl smese smosm snasn
    sndsd somso sotst spaes sqisq srdsc srpsr sswss sunsu swasw swesv tahty tamta tattt telte tgktg tgltl thath
    tirti tonto tsntn tsots tuktk turtr twitw uigug ukruk urdur uzbuz venve vievi volvo wlnwa wolwo xhoxh yidyi
    yoryo zhaza zhozh zulzu
"""
# Individual languages that the web, and ISO 639-1, name by their macrolanguage (ISO 639-3, macrolanguage mappings).
_MACROLANGUAGE_MEMBERS = """
    arbar azjaz cmnzh ekket pesfa khkmn zsmms lvslv pltmg alssq swhsw uznuz yddyi npine oryor pbtps kmrku gazom quyqu
    ayray guggn bodbo fuvff knckr
"""
_TWO_LETTER_CODES = {entry[:3]: entry[3:] for entry in (_ISO_CODES + _MACROLANGUAGE_MEMBERS).split()}
# Other codes in use: Norwegian without a standard is Bokmål, and Wikipedia's codes as lid.176 has them.
_ALIASES = {
    "no": "nb",
    "nor": "nb",
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "fil": "tl",
    "als": "gsw",
    "bh": "bho",
    "cn": "zh",
}


def two_letter_code(label: str) -> str:
    """The ISO 639-1 code of a model's label if there is one, else the ISO 639-3 code.

    `deu_Latn`, `deu`, `zh-cn` and `de` become `de`, `de`, `zh` and `de`. `als` alone is Wikipedia's Alemannic (gsw);
    with a script it is Tosk Albanian (sq), as in GlotLID and OpenLID.
    """
    name, _, script = label.replace("-", "_").partition("_")
    name = name.lower()
    if not (script and name in _TWO_LETTER_CODES):
        name = _ALIASES.get(name, name)
    code = _TWO_LETTER_CODES.get(name, name)
    return _ALIASES.get(code, code)


# Thousands of documents in FineWeb-2 (its published language distribution) and, for English, in FineWeb. Bosnian,
# Croatian and Serbian, which are confused there, have a third of their sum each.
_DOCUMENTS = """
    ace:2 af:1992 am:428 an:26 ar:61979 ary:2365 arz:853 as:268 az:7296 ba:183 bcl:8 be:2100 bg:25994 bn:15196
    br:59 bs:10724 ca:17136 crh:34 cs:66067 cy:831 da:45391 de:495964 dz:19 el:47421 en:24000000 eo:335
    es:441287 et:10218 eu:1569 ext:2 fa:58843 ff:0 fi:36710 fo:291 fr:360058 fy:349 ga:646 gcf:2 gcr:0 gd:222
    gl:2522 gn:10 gom:7 grc:28 gu:2127 guw:1 ha:570 hbo:39 he:14491 hi:22193 hr:10724 ht:224 hu:49935 hy:1757
    id:100238 ig:98 is:3014 it:238984 ja:400138 jv:184 ka:3706 kab:11 ki:7 kk:3344 km:1586 kn:2392 ko:60874
    ku:445 ky:1069 la:1473 lb:354 lg:35 lij:5 ln:21 lo:359 lt:13471 ltg:10 lv:8030 mg:272 mk:4150 ml:3325
    mn:1622 mr:3914 ms:9421 mt:489 my:1558 nb:38144 ne:4890 nl:147301 nn:1214 nso:6 oc:69 om:47 or:1299 pa:952
    pcm:1 pl:151966 ps:639 pt:199737 qu:2 ro:58305 ru:699083 rw:326 sa:25 sdh:113 se:65 si:1185 sk:29991
    sl:12059 sn:84 so:1070 sq:8597 sr:10724 st:92 sv:59485 sw:1206 ta:5533 te:1988 tg:688 th:35897 tk:239 tl:2349
    tr:95129 tt:196 ug:203 uk:53101 ur:4878 uz:2591 uzs:13 vec:5 vi:61064 vo:4 wa:15 wuu:11 xh:254 yo:79 yue:314
    zh:636058 zu:127
"""
PRIOR_STRENGTH = 0.2  # 1 is Bayes' prior on a crawl, 0 that of a benchmark with as much text of each language
_SMOOTHING_DOCUMENTS = 1000.0
# Small languages written much like a large one are predicted for its noisy texts: pcm for English names, yue for
# Chinese.
_SHADOWED = ("an", "ary", "ext", "grc", "hbo", "lb", "pcm", "wuu", "yue")


def log_prior(labels: tuple[str, ...]) -> np.ndarray:
    """(l,) float32, log units: PRIOR_STRENGTH * log(documents + 1000), 0 for the most common language.

    One is subtracted for languages in the shadow of a large one. The strength and these languages were chosen on
    samples of tests/bench/language.py's sets and on its crawled pages. On other texts, the error without and with the
    prior is: pieces of 40 to 300 characters of 180 mostly English pages 7.5 and 2.3 %; 51,000 sentences of lingua's 3.9
    and 3.7 %; but 48,000 short ones of Tatoeba's 6.8 and 8.6 %. The cost is recall of small languages on short texts
    (there ms .69 to .51, mk .84 to .72, gl .85 to .76, nn .83 to .70, wuu .60 to .08): a recipe for one of them does
    better with a fastText model.
    """
    documents = dict(entry.split(":") for entry in _DOCUMENTS.split())
    counts = np.array([1000 * int(documents.get(name, 0)) for name in labels])
    prior = PRIOR_STRENGTH * np.log(counts + _SMOOTHING_DOCUMENTS)
    return (prior - prior.max() - np.isin(labels, _SHADOWED)).astype(np.float32)
