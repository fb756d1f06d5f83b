"""What people think of replies: judging, reviewing, and what may be exported."""
