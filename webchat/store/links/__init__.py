"""What is asked of a database about owners, and about the tester links that bring guests.

owners    everyone who has conversations
links     tester links: their terms, and what is used of them
settling  counting what a reply used, for its link and its owner
guests    consent, answers to a link's questions, and codes to continue elsewhere
"""
