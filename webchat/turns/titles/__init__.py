"""Titles of conversations from their model, beside the turns. Read `making` first; `proposals` finds the
title in what a model answers.
"""
