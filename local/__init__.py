"""What runs on a developer's machine: the embedded AWS, and what goes with it."""
