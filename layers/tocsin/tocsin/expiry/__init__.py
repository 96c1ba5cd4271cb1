"""When a certificate alerts, and whether that is still true."""
