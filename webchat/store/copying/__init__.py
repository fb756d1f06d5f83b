"""Whole databases: a consistent copy of one that is in use, a file put in its place, and one kind of database
copied into the other.

files      SQLite files: copied while a server writes, checked, put in place of another
tables     a database copied into another, of either kind
"""
