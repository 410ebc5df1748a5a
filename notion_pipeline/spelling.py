"""When two texts are one name: as they are written, or where neither case nor accents count."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: Letters that Unicode does not take apart into a base and a mark.
PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)
#: The accents of Latin, Greek and Cyrillic letters, and signs that do not show.
_NOT_SPELLED = re.compile("[\u0300-\u036f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
_BLANKS = re.compile(r"\s+")


def label(text: str) -> str:
    """The text as a name: composed, and without the blanks round it, since neither shows on a screen."""
    return unicodedata.normalize("NFC", text).strip()


@lru_cache(maxsize=65536)
def spelled(text: str) -> str:
    """The text as it is compared where neither case, accents nor the width of letters count, nor what does not show."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    parts = _NOT_SPELLED.sub("", unicodedata.normalize("NFKD", folded).translate(PLAIN_LETTERS))
    return _BLANKS.sub(" ", unicodedata.normalize("NFC", parts)).strip()
