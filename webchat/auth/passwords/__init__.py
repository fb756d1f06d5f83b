"""Accounts with a password of this server.

checking  the rules for passwords and user names, and the check at a sign-in
accounts  making accounts and changing them, for operators
devices   browsers that have signed in before, whom a stranger's wrong passwords don't delay
"""
