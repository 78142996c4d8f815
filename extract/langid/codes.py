"""Language codes: what models call a language, as the ISO 639-1 code where there is one, else ISO 639-3."""

# ISO 639-3 code and its ISO 639-1 code, run together (SIL's table, which is public).
_TWO = """
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
_MEMBERS = """
    arbar azjaz cmnzh ekket pesfa khkmn zsmms lvslv pltmg alssq swhsw uznuz yddyi npine oryor pbtps kmrku gazom quyqu
    ayray guggn bodbo fuvff knckr
"""
_WORDS = {entry[:3]: entry[3:] for entry in (_TWO + _MEMBERS).split()}
# Other spellings: Norwegian without a standard is Bokmål, and Wikipedia's codes as lid.176 has them.
_OTHER = {
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


def two_letters(label: str) -> str:
    """The code of a model's label: `deu_Latn`, `deu`, `zh-cn` and `de` become `de`, `de`, `zh` and `de`.

    `als` alone is Wikipedia's Alemannic (gsw); with a script it is Tosk Albanian (sq), as in GlotLID and OpenLID.
    """
    name, _, script = label.replace("-", "_").partition("_")
    name = name.lower()
    if script and name in _WORDS:
        return _OTHER.get(_WORDS[name], _WORDS[name])
    name = _OTHER.get(name, name)
    return _OTHER.get(_WORDS.get(name, name), _WORDS.get(name, name))
