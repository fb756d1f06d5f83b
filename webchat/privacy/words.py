"""Personal data made of words: names, home addresses, passports. Found only if a text says what it is, or if
the form leaves little doubt; anything else is not detected.

Sources: the provinces of China; the hundred most frequent surnames of its 2020 census, and compound surnames.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

HAN = "\u4e00-\u9fff"

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢"
    "姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施"
)
_COMPOUND = "欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|慕容|司徒|令狐|夏侯"
_GIVEN = f"(?:{_COMPOUND}|[{_SURNAMES}])[{HAN}]{{1,2}}"
_WORD = r"[A-Z](?:[a-z]+|['’][A-Z][a-z]+)(?:['’-]?[A-Z][a-z]+|['’-][a-z]+)*"

PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南"
    "|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)


@dataclass(frozen=True, slots=True)
class Announced:
    """Data announced by a word before it. trigger: the word, at most `LONGEST_TRIGGER` characters. pattern:
    what may follow. tail: every prefix of it. window: its maximum characters. behind: what may come after.
    shortens: whether less of the match may be meant, at least two characters."""

    kind: str
    trigger: re.Pattern[str]
    pattern: re.Pattern[str]
    tail: re.Pattern[str]
    window: int
    behind: re.Pattern[str]
    shortens: bool = False


LONGEST_TRIGGER = 24

_NO_LETTER = re.compile(r"(?![A-Za-z0-9_])")

ANNOUNCED: tuple[Announced, ...] = (
    Announced(
        "name",
        re.compile(r"(?:我叫|我的名字是|名字叫|(?:姓名|收[件货]人|联系人)(?:(?:为|是|[:：]) ?| ))"),
        re.compile(_GIVEN),
        re.compile(f"[{HAN}]{{0,4}}"),
        4,
        # A name ends with its clause, or before a word that does not belong to one.
        re.compile(f"(?![{HAN}])|(?=[来是今在住的现目年先女从和与也手电])"),
        shortens=True,
    ),
    Announced(
        "name",
        re.compile(r"(?:[Mm]y name is|[Mm]y name's|I'm called|I am called|\b(?:Mr|Mrs|Ms)\.?) "),
        re.compile(rf"{_WORD}(?: (?:[A-Z]\. )?{_WORD}){{0,2}}"),
        re.compile(r"(?:[A-Z][A-Za-z'’.-]* ?){0,4}"),
        62,
        _NO_LETTER,
    ),
    Announced(
        "name",
        re.compile(r"\b(?:Full name|Name|Customer|Patient|Recipient|Attn): ?|\b(?:[Rr]egards|Sincerely),\n"),
        re.compile(rf"{_WORD}(?: (?:[A-Z]\. )?{_WORD}){{1,2}}"),
        re.compile(r"(?:[A-Z][A-Za-z'’.-]* ?){0,4}"),
        62,
        _NO_LETTER,
    ),
    Announced(
        "passport",
        re.compile(
            r"护照(?:号码?)?(?:为|是)?[:： ]{0,2}|(?i:passport(?: (?:no\.?|number|#))?(?: is)?)[: #]{1,2}"
        ),
        re.compile(r"(?a)(?:[A-Z]{1,2}\d{7,8}|[A-Z]\d\d[A-Z]\d\d[A-Z]\d\d|[A-Z0-9]{2}\d{7})"),
        re.compile(r"[A-Z0-9]{0,11}"),
        10,
        re.compile(r"(?![A-Za-z0-9_])"),
    ),
)

_ROAD = "(?:路|街|大道|道|巷|弄|胡同|村|镇|里|园)"
_ROOM = "(?:号楼|号院|栋|幢|座|单元|层|楼|室|户)"
_HOUSE = rf"\d{{1,5}}(?:号|弄)(?:院|楼)?(?:[{HAN}A-Za-z]{{0,8}}?\d{{1,4}}{_ROOM}){{0,4}}(?:\d{{1,4}})?"
_FROM_PROVINCE = f"(?:{PROVINCES})[{HAN}]{{0,24}}?{_ROAD}[{HAN}]{{0,4}}?{_HOUSE}"
_FROM_CITY = f"[{HAN}]{{2,4}}[市区县][{HAN}]{{0,24}}?{_ROAD}[{HAN}]{{0,4}}?{_HOUSE}"
CHINESE_ADDRESS = f"(?:{_FROM_PROVINCE}|{_FROM_CITY})"
_NAMED = f"(?:(?![在到于住往从寄家址去来是])[{HAN}])"
_CITY = f"(?:(?<![{HAN}])|(?<=[在到于住往从址]))"
CHINESE_START = re.compile(f"(?=(?:{PROVINCES}))|{_CITY}(?={_NAMED}{{2,4}}[市区县])")
_FIRST = "".join(sorted({name[0] for name in PROVINCES.split("|")}))
CHINESE_PARTIAL = re.compile(f"(?:黑龙?|内蒙?|[{_FIRST}])$|{_CITY}{_NAMED}{{1,4}}$")
CHINESE_TAIL = re.compile(f"[{HAN}0-9A-Za-z]*$")
CHINESE_WINDOW = 80

_SUFFIX = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Parkway|Pkwy|Terrace|Place|Pl|Square"
    "|Sq|Way|Crescent|Close"
)
ENGLISH_ADDRESS = re.compile(
    rf"(?a)\d{{1,5}}[A-Z]? (?:[NSEW]\.? )?(?:[A-Z][a-z]{{1,15}} ){{1,3}}(?:{_SUFFIX})(?![A-Za-z])"
)
ENGLISH_TAIL = re.compile(r"[0-9]{1,5}[A-Z]?(?: [A-Za-z. ]{0,70})?$")
ENGLISH_WINDOW = 78
_PLACED = re.compile(r"(?i)(?:\b(?:at|to|on|from|is|of|near)|address|住|:|：|,|\() ?$")
_GOES_ON = re.compile(r" [a-z]")


def is_english_address(text: str, start: int, end: int) -> bool:
    """Whether a number and a street are an address: not if the sentence simply continues with them."""
    front = text[max(0, start - 16) : start]
    if front[-1:] and (front[-1].isalnum() or front[-1] in "._-$#"):
        return False
    return _PLACED.search(front) is not None or _GOES_ON.match(text[end : end + 2]) is None


def chinese_address() -> Any:
    """The compiled expression, in RE2, since it could otherwise backtrack."""
    import re2

    return re2.compile(CHINESE_ADDRESS)
