"""What is alike is found, in every script, as it is written and where it is written; nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.store.talk import Talk
from webchat.store import Store
from webchat.store.search.likeness import fold, unfold
from webchat.store.search.words import Term, index_words, matches, query_terms, query_words

FOUND = [
    # parts of identifiers
    ("call foo_bar_baz and RESTAURANT_SIGNALS now", "bar_baz"),
    ("call foo_bar_baz and RESTAURANT_SIGNALS now", "signals"),
    ("use getUserName here", "username"),
    ("use getUserName here", "getuser"),
    ("XMLHttpRequest.onreadystatechange", "httprequest"),
    ("const MAX_RETRY_COUNT = 5", "retry_c"),
    ("kebab-case-name", "case-name"),
    ("std::vector<int> v;", "::vector<int"),
    ("self.__init__()", "__init__"),
    ("array[index + 1]", "array[index"),
    ("call foo() twice", "foo()"),
    ("$HOME/.config", "$home"),
    ("run it with --no-open", "--no-open"),
    ("@app.route('/x')", "@app"),
    ("#channel and @someone", "#chan"),
    ("100% of it, a && b", "&&"),
    ("a * b", "*"),
    # inside words
    ("about blockchain and timeout", "chain"),
    ("about blockchain and timeout", "eou"),
    ("저는 한국사람이고 컴퓨터를 좋아해요", "사람"),
    ("저는 한국사람이고 컴퓨터를 좋아해요", "퓨터"),
    ("저는 한국사람이고 컴퓨터를 좋아해요", "해"),
    ("Donaudampfschifffahrtsgesellschaft", "schifffahrt"),
    ("Rindfleischetikettierung", "ETIKETT"),
    ("今天天气怎么样", "天天气"),
    ("我用的是Python语言", "python语"),
    ("東京スカイツリーへ行く", "ツリー"),
    ("東京スカイツリーへ行く", "京ス"),
    ("ฉันชอบกินข้าวผัด", "ข้าว"),
    ("ພາສາລາວ", "ສາລ"),
    ("နေကောင်းလား", "ကောင်း"),
    ("ភាសាខ្មែរ", "ខ្មែរ"),
    ("हिन्दी में लिखना", "न्दी"),
    ("தமிழ் மொழி", "மொழி"),
    ("ქართული ენა", "თულ"),
    ("Հայերեն լեզու", "երեն"),
    ("አማርኛ ቋንቋ", "ማርኛ"),
    ("𠮷野家", "野"),
    ("𠮷野家", "𠮷"),
    # without accents
    ("the café résumé naïve", "cafe"),
    ("the cafe", "café"),
    ("the café résumé naïve", "NAIVE"),
    ("cafe\u0301 decomposed", "café"),
    ("Tiếng Việt: Đà Nẵng, đường phố", "da nang"),
    ("Tiếng Việt: Đà Nẵng, đường phố", "duong"),
    ("ещё один ёжик", "еще ежик"),
    ("Łódź i Kraków", "lodz"),
    ("smørrebrød på København", "smorrebrod"),
    ("œuvre et cœur, Æsir", "oeuvre coeur aesir"),
    ("Ελλάδα, Ὀδυσσεύς", "ελλαδα οδυσσευς"),
    ("مُحَمَّد", "محمد"),
    ("العـــربية", "العربية"),
    ("أحمد وإبراهيم", "احمد ابراهيم"),
    ("שָׁלוֹם עֲלֵיכֶם", "שלום"),
    # without case
    ("Straße", "strasse"),
    ("STRASSE", "straße"),
    ("İstanbul'da", "istanbul"),
    ("ISPARTA ve ılık", "isparta ilik"),
    ("ΟΔΟΣ", "οδος"),
    ("ПРИВЕТ", "ивет"),
    ("ﬁnancial ﬂow", "financial flow"),
    # without width
    ("ＡＢＣ １２３", "abc 123"),
    ("abc 123", "ＡＢＣ"),
    ("ﾊﾟｿｺﾝを買う", "パソコン"),
    ("ガラス", "ｶﾞﾗｽ"),
    ("你好，世界！", "好,世"),
    ("it’s “fine” – really", "it's"),
    ("non\u2011breaking", "non-breaking"),
    ("soft\u00adhyphen", "softhyphen"),
    ("zero\u200bwidth", "zerowidth"),
    ("№ 5 and ½ ㎏", "no kg"),
    # emoji
    ("party 🎉 time", "🎉"),
    ("party🎉time", "🎉"),
    ("thumbs 👍🏽 up", "👍"),
    ("thumbs 👍 up", "👍🏿"),
    ("a 👩‍💻 at work", "👩‍💻"),
    ("a 👩‍💻 at work", "💻"),
    ("from 🇩🇪 to 🇫🇷", "🇫🇷"),
    ("I ❤️ it", "❤"),
    ("I ❤ it", "❤️"),
    # as it is written
    ("compare C++ with C# please", "C++"),
    ("compare C++ with C# please", "c#"),
    ("on .NET 8 with F#", ".net"),
    ("on .NET 8 with F#", "f#"),
    ("Python 3.11.7 and v2.0", "3.11.7"),
    ("Python 3.11.7 and v2.0", "v2"),
    ("Python 3.11.7 and v2.0", "11.7"),
    ("write to ada.lovelace@example.com", "lovelace@example"),
    ("see https://example.com/a/b?q=1", "example.com/a"),
    ("in /usr/local/lib/python3", "local/lib"),
    (r"C:\Users\Ada", r"users\ada"),
    ("commit 9f86d081884c7d65", "d081884c"),
    ("at 10.0.0.1:8080", "0.1:80"),
    ('she said "no way" loudly', '"said"'),
    # several words, and words in a row
    ("the quick brown fox", '"quick brown"'),
    ("the quick\n  brown fox", '"quick brown"'),
    ("the quick brown fox", '"quick bro'),
    ("the quick brown fox", "fox the"),
    ('{"foo": 1}', '"foo":'),
]

NOT_FOUND = [
    ("a cat can climb", "C++"),
    ("C is a language", "C++"),
    ("C is a language", "C#"),
    ("the net is wide", ".NET"),
    ("version 3117", "3.11.7"),
    ("foo bar", "foo_bar"),
    ("foobar", "foo()"),
    ("foo bar", "foobar"),
    ("brown quick", '"quick brown"'),
    ("は行", "ば"),
    ("ハハ", "パパ"),
    ("क", "क़"),
    ("a = b", "a ≠ b"),
    ("日本語", "語日"),
    ("party 🎊 time", "🎉"),
    ("snack bar", "kb"),
    ("half\u200b \u200bway", "halfway"),
]


@pytest.mark.parametrize(("said", "query"), FOUND)
def test_what_is_alike_is_found_and_marked(said: str, query: str) -> None:
    terms = query_terms(query)
    found = matches(terms, said, 1000)
    assert found is not None
    marked = " ".join(fold(said[start:end]) for start, end in found)
    assert all(term.pattern.search(marked) for term in terms)


@pytest.mark.parametrize(("said", "query"), NOT_FOUND)
def test_what_is_not_alike_is_not(said: str, query: str) -> None:
    assert matches(query_terms(query), said, 1000) is None


def test_the_index_finds_all_these_and_no_others(store: Store, talk: Talk) -> None:
    chats: dict[str, str] = {}
    for said in dict.fromkeys(said for said, _ in FOUND + NOT_FOUND):
        chats[talk.begin(said).conversation.id] = said
    for _, query in FOUND + NOT_FOUND:
        hits = {hit.conversation_id for hit in store.search(talk.owner, query, limit=1000).items}
        expected = {chat for chat, said in chats.items() if matches(query_terms(query), said, 0) is not None}
        assert hits & chats.keys() == expected, query


WORDS = st.text(
    st.one_of(
        st.sampled_from(
            "abcßİıéœﬁﷺ今天気ガｶﾞ한국ㄱ사람ёйאָمُहिन्दी🎉👍🏽\u200d❤️🇩🇪 \n\u3000._+#\"'’-\u0301\u0323\u3099\u093c"
        ),
        st.characters(codec="utf-8", exclude_characters="\0"),
    ),
    max_size=40,
)


@given(WORDS)
@settings(max_examples=300, deadline=None)
@example("ﷺ")
@example("e" + "\u0301\u0323" * 50 + "x")
def test_pieces_that_letters_make_fold_as_the_whole_does(said: str) -> None:
    folded = fold(said)
    spans = [(at, at + 1) for at in range(len(folded))]
    places = unfold(said, spans)
    assert all(0 <= start < end <= len(said) for start, end in places)
    for (start, end), char in zip(places, folded, strict=True):
        assert char in fold(said[start:end])


@given(WORDS, st.data())
@settings(max_examples=300, deadline=None)
def test_any_part_of_a_word_has_its_words_in_the_index(said: str, data: st.DataObject) -> None:
    stretches = fold(said).split()
    if not stretches:
        return
    stretch = data.draw(st.sampled_from(stretches))
    start = data.draw(st.integers(0, len(stretch) - 1))
    part = stretch[start : data.draw(st.integers(start + 1, len(stretch)))]
    words = index_words(said)
    for word, is_beginning in query_words([Term((part,))]):
        assert word in words or (is_beginning and any(one.startswith(word) for one in words))


@given(st.lists(WORDS, min_size=1, max_size=4), WORDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_search_finds_what_the_texts_hold(store: Store, talk: Talk, said: list[str], asked: str) -> None:
    messages = [message for text in said if (message := talk.begin(text or "-").user)]
    folded = [fold(message.text) for message in messages]
    for query in [
        asked[:5],
        *(part for text in folded for word in text.split()[:3] for part in (word[1:5], word[:2])),
    ]:
        terms = query_terms(query)
        found = {hit.conversation_id for hit in store.search(talk.owner, query, limit=10_000).items}
        for message, text in zip(messages, folded, strict=True):
            title = fold(store.conversation(talk.owner, message.conversation_id).title)
            holds = any(all(term.pattern.search(one) for term in terms) for one in (text, title))
            assert (message.conversation_id in found) == (bool(terms) and holds)


@pytest.mark.parametrize(
    "query",
    ['"', '""', '" "', "*", "NEAR(a b)", "-a", "a:b", "'; DROP", "\\", "\ud800", "a " * 400, "x" * 10_000],
)
def test_any_query_is_words(query: str, talk: Talk) -> None:
    place = talk.say(f"before {query.strip()[:1000]} after", "y").conversation.id
    assert talk.found(query) == [place]
