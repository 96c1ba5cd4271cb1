"""What the template tells the steps, read once from the environment."""

import base64
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The environment of a step; the template gives each of these to all of them."""

    directory_url: str
    """Where the ACME authority's directory is."""
    authority_root: str
    """The root that a private authority's own address is verified by, as base64 of PEM; empty: the public ones."""
    contact: str
    """The mail address of the account with the authority; empty: none."""
    profile: str
    """Which of the authority's certificate profiles is ordered; empty: its default."""
    account_secret: str
    """The secret that holds the account's key."""
    hosted_zone_ids: tuple[str, ...]
    tocsin_api_url: str
    poll_seconds: int
    """Between two looks at Route 53 or the authority."""
    import_into_acm: bool
    imported_prefix: str
    """Parameters below it remember which ARN a certificate that came from elsewhere was imported as."""
    key_secrets_prefix: str
    """Secrets below it hold certificate and key for servers; empty: no key is kept but in ACM."""


@cache
def settings() -> Settings:
    """Read the environment; raise KeyError for what is missing."""
    read = os.environ
    return Settings(
        directory_url=read["DIRECTORY_URL"],
        authority_root=read["AUTHORITY_ROOT"],
        contact=read["CONTACT"],
        profile=read["PROFILE"],
        account_secret=read["ACCOUNT_SECRET"],
        hosted_zone_ids=tuple(filter(None, read["HOSTED_ZONE_IDS"].split(","))),
        tocsin_api_url=read["TOCSIN_API_URL"].rstrip("/"),
        poll_seconds=int(read["POLL_SECONDS"]),
        import_into_acm=read["IMPORT_INTO_ACM"] == "yes",
        imported_prefix=read["IMPORTED_PREFIX"],
        key_secrets_prefix=read["KEY_SECRETS_PREFIX"],
    )


@cache
def root_file(authority_root: str) -> str | bool:
    """Give what `requests` verifies servers by: a file with the private authority's root, or True: the public ones."""
    if not authority_root:
        return True
    path = Path(tempfile.mkdtemp(), "root.pem")
    path.write_bytes(base64.b64decode(authority_root))
    return str(path)
