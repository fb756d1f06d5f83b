"""The differences between two versions of a template."""

from __future__ import annotations

from tests.ui.asset_page import asset_page

COMPARED = """async () => {
  const { lineDiff, aroundChanges } = await import("./templates/diff.js");
  const any = (count) => Math.floor(Math.random() * count);
  const text = () => Array.from({ length: any(9) }, () => "abc"[any(3)]).join("\\n");
  const wrong = [];
  for (let round = 0; round < 600; round += 1) {
    const [before, after] = [text(), text()];
    const rows = lineDiff(before, after);
    const side = (mark) =>
      rows.filter(([said]) => said === "same" || said === mark).map(([, line]) => line).join("\\n");
    const same = rows.filter(([mark]) => mark === "same").length;
    const shown = aroundChanges(rows, 1);
    const skipped = shown.filter(([mark]) => mark === "skip").reduce((sum, [, count]) => sum + count, 0);
    const kept = shown.filter(([mark]) => mark !== "skip").length;
    const whole = before !== after || same === rows.length;
    const good = side("gone") === before && side("new") === after && skipped + kept === rows.length;
    if (!good || !whole) wrong.push([before, after]);
  }
  return wrong;
}"""


def test_each_side_of_a_difference_is_the_whole_text() -> None:
    with asset_page() as (page, _):
        assert page.evaluate(COMPARED) == []


def test_what_both_have_is_shown_once() -> None:
    rows = """async () => (await import("./templates/diff.js")).lineDiff("a\\nb\\nc", "a\\nx\\nc\\nd")"""
    with asset_page() as (page, _):
        assert page.evaluate(rows) == [
            ["same", "a"],
            ["gone", "b"],
            ["new", "x"],
            ["same", "c"],
            ["new", "d"],
        ]
