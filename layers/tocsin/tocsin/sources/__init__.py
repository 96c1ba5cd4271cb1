"""Where certificates come from besides the API: ACM, TLS endpoints, PEM files."""
