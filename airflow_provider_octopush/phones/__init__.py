"""A raw value → E.164, or the reason why it is not a number."""
