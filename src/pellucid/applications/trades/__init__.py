"""One application a trade: from raw data to a report that a person of that trade can read."""
