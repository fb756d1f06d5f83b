"""A database to work on: what a connection needs, before anything is asked of it. Read `transactions` first.

transactions  one engine that writes, one that reads, their threads, and the kinds of verbs: `Database`
dialect       what differs between `sqlite` and `postgres`: connecting, the lock against a second server,
              errors in words; urls: which of them a URL names
until         when a read that may be long ends early
tables        the tables; codec: what is in their columns, as records
migrate       bringing a database to these tables; its steps are in `migrations/versions`
"""
