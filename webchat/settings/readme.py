"""Keeps the tables of README.md equal to the code: `python -m webchat.settings.readme` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

from webchat.settings.table import models_table, readme_table

TABLES = {"settings": readme_table, "models": models_table}


def with_tables(text: str) -> str:
    """The README with each generated table between its marker comments. Raises ValueError without markers."""
    for name, render in TABLES.items():
        begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"README.md needs one pair of markers for {name}")
        text = pattern.sub(lambda _: f"{begin}\n{render()}{end}", text)  # noqa: B023 (used at once)
    return text


def main() -> None:
    """Rewrite ./README.md."""
    path = Path("README.md")
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
