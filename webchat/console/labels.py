"""The texts of components, which the browser fills in from the tables that the page brings."""

from __future__ import annotations

from gradio.i18n import I18nData


class Labels:
    """Makes labels and remembers their keys: a page brings these texts and no others."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._keys)

    def __call__(self, key: str) -> I18nData:
        self._keys.add(key)
        return I18nData(key)
