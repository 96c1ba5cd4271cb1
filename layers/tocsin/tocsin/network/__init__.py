"""Where we may connect, and how we wait."""
