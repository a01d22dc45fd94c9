"""What stands among lyrics and is not sung: section marks, credits, repeat signs, markup."""

import html
import re
import unicodedata

_TAGS = re.compile(r"</?[A-Za-z][^<>]{0,80}>|\{\\[^}]*\}")  # <i>, <v Singer>, <br/>, {\an8}
_BREAK_TAG = re.compile(r"<\s*br\s*/?\s*>", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad\x00-\x08\x0b-\x1f\x7f]")
_MUSIC = re.compile(r"[♩-♯🎵🎶🎤]+")
_SPACE = re.compile(r"\s+")

_SECTION_WORDS = (
    r"pre-?\s?chorus|post-?\s?chorus|chorus|verse|bridge|intro|outro|hook|refrain|interlude|instrumental|solo|break"
    r"|breakdown|drop|coda|ending|spoken|repeat|ad[\s-]?libs?|guitar solo|music|applause|laughter|fade out"
    r"|strophe|couplet|coro|estribillo|estrofa|verso|puente|ponte|ritornello|refr[aã]o|strofa|zwischenspiel"
    r"|前奏|间奏|間奏|尾奏|主歌|副歌|桥段|橋段|过门|独白|念白|合唱|サビ|間奏曲|후렴|간주"
)
_NUMBER = r"(?:\s*(?:#?\s*\d{1,2}|[ivx]{1,4}|[a-d]))?"
_REPEAT = r"(?:[x×*]\s*(\d{1,2})|(\d{1,2})\s*[x×*]|repeat(?:\s+(\d{1,2})\s*(?:times|[x×]))?)"
# "[Chorus]", "(Verse 2: Singer)", "Chorus:", "** Bridge **"; the bare word only with a colon or brackets around it
_SECTION = re.compile(
    rf"(?:[*\-=\s]*[\[(（【{{<](?:{_SECTION_WORDS}){_NUMBER}(?:\s*[:：,\-–/&].*|\s*\(?{_REPEAT}\)?)?[\])）】}}>]:?"
    rf"|(?:{_SECTION_WORDS}){_NUMBER}\s*(?:\(?{_REPEAT}\)?)?\s*[:：]"
    rf"|[*\-=~]{{1,5}}\s*(?:{_SECTION_WORDS}){_NUMBER}\s*[*\-=~]{{1,5}}:?)[*\-=\s]*",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"[\[【][^\[\]【】]*[\]】]")  # square brackets never hold sung words
_TRAILING_REPEAT = re.compile(rf"\s*[(\[（]\s*{_REPEAT}\s*[)\]）]\s*$|\s+[x×]\s*(\d{{1,2}})\s*$", re.IGNORECASE)
_CREDIT = re.compile(
    r"(?:(?:作?词|作?曲|作?詞|编曲|編曲|制作人?|製作人?|监制|監製|原唱|演唱|歌手|混音|母带|录音|錄音|吉他|贝斯|鼓|和声|和聲|出品"
    r"|企划|发行|策划|统筹|词曲|后期|翻译|lrc)\s*(?:/\s*\S+\s*)?[:：]"
    r"|(?:lyrics?|music|words|written|composed|arranged|produced|lyrics and music|words and music|synced|transcribed"
    r"|subtitles?|captions?)\s+by\b\s*[:：]?\s*(?-i:[^\Wa-z])"  # a name, not "by the river"
    r"|(?:lyrics?|lyricist|composer|arranger|producer|songwriters?|writers?|artist|singer|title|album|source"
    r"|copyright|lrc)\s*[:：]\s*\S|©|\(c\)\s*\d{4}|https?://|www\.)",
    re.IGNORECASE,
)
_MAX_REPEATS = 8


def tidy(text: str) -> str:
    """Entities, markup and invisible characters gone, white space single, NFC."""
    text = html.unescape(html.unescape(text))  # "&amp;#39;" is seen
    text = _TAGS.sub("", _BREAK_TAG.sub(" ", text))
    text = unicodedata.normalize("NFC", _MUSIC.sub(" ", _INVISIBLE.sub("", text)))
    return _SPACE.sub(" ", text.encode("utf-8", "ignore").decode()).strip()


def without_marks(text: str) -> tuple[str, int]:
    """(what is sung of a tidy line, how many times): "" where the line is a section mark, a credit or a sign."""
    if _SECTION.fullmatch(text) or _CREDIT.match(text):
        return "", 1
    times = 1
    if match := _TRAILING_REPEAT.search(text):
        times = next((int(group) for group in match.groups() if group), 2)
        text = text[: match.start()]
    text = _SPACE.sub(" ", _BRACKETED.sub(" ", text)).strip()
    if not any(char.isalnum() for char in text):
        return "", times
    return text, min(max(times, 1), _MAX_REPEATS)
