"""What people think of replies: judging, comparing, reviewing, and what may be exported."""
