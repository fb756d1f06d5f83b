"""Two replies to one message, side by side: which models meet, how both are shown at one pace, and what
nobody may learn before their vote."""
