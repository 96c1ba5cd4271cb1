"""Where rows live: one module a table."""
