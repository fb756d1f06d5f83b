"""What people think of replies: judgements of one reply, comparisons of two, and reviewers' queues."""
