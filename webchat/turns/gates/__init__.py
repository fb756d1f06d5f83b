"""What stands between turns and moderation: reviews of what people write, models as guards, masked data."""
