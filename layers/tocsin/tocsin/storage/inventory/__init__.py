"""The Inventory table."""
