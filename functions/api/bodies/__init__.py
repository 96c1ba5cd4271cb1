"""What the routes take and show."""
