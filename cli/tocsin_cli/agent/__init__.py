"""What `tocsin report` finds: certificates in files beside servers, and never a private key."""
