"""Verbs on imports: writing what readers found, and the jobs that do it."""
