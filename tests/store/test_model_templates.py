"""Each save of a chat template is a version; the newest counts, and nobody overwrites what they have not
seen."""

from __future__ import annotations

import pytest

from webchat.store import Store
from webchat.store.errors import TemplateChanged


def test_versions_count_up_for_each_model_and_going_back_is_one_more(store: Store) -> None:
    ada = store.create_owner("operator", "Ada").id
    assert store.change_chat_template(ada, "a/b", None) is None
    first = store.change_chat_template(ada, "a/b", "{{ 1 }}", note="try")
    assert first is not None
    assert (first.number, first.author, first.note, first.text) == (1, "Ada", "try", "{{ 1 }}")
    second = store.change_chat_template(ada, "a/b", "{{ 2 }}\x00\ud83d", based_on=1)
    assert second is not None
    assert second.text == "{{ 2 }}\ufffd\ufffd"
    other = store.change_chat_template(ada, "other", "{{ 1 }}")
    assert store.change_chat_template(ada, "a/b", second.text, based_on=2) == second
    assert {version.model: version for version in store.chat_templates()} == {"a/b": second, "other": other}
    back = store.change_chat_template(ada, "a/b", None, based_on=2)
    assert back is not None
    assert (back.number, back.text) == (3, None)
    assert [version.model for version in store.chat_templates()] == ["other"]
    assert store.chat_template_versions("a/b") == [back, second, first]
    assert store.chat_template_versions("nobody") == []


def test_a_save_on_top_of_what_is_old_is_refused(store: Store) -> None:
    ada = store.create_owner("operator", "Ada").id
    store.change_chat_template(ada, "m", "{{ 1 }}")
    for based_on in (None, 0, 2):
        with pytest.raises(TemplateChanged):
            store.change_chat_template(ada, "m", "{{ 2 }}", based_on=based_on)
    assert len(store.chat_template_versions("m")) == 1
