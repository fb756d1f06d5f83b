"""The built-in kinds of moderators.

Read `tables` first: the table of each kind in a file of rules, and the moderator made from it. `phrases`,
`patterns`, `secrets` and `personal` find things in a text (over `matching`), `endpoint` and `guard` ask about
it (over `windows`), `limits` counts. `tidying` comes before all of them and is in no file; `builtin` is what
they have in common.
"""
