"""The life of one notification: its states, its retries, and the one way to send it. Pure but for the waiting."""
