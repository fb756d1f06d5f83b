"""What people think of replies: judging, comparing, reviewing, and what may be exported.

People judge one reply (`judging`) or two (`comparisons`); operators read and review judgements
(`reviewing`) and votes (`votes`, `vote_reviews`). `queues` are what operators ask reviewers about, and
`queue_reviews` their answers.
"""
