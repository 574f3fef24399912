"""What the package index shows: README with absolute links, and the project's addresses. Each build calls it."""

from __future__ import annotations

import os
import re
import subprocess
from email.parser import Parser
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?!\w+:|#)(?P<path>[^)\s]+)\)")
_SCP = re.compile(r"(?:ssh://)?git@(?P<host>[^:/]+)[:/](?P<path>.+)")


class ProjectMetadata(MetadataHookInterface):
    """Fills in ``readme`` and ``urls``, which depend on where the repository is."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both; without an address of the repository there are no URLs, and the links stay as they are."""
        root = Path(self.root)
        repository = find_repository(root)
        readme = (root / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": with_absolute_links(readme, repository)}
        metadata["urls"] = project_urls(repository)


def find_repository(root: Path) -> str | None:
    """
    Find the address of the repository: the variable ``REPOSITORY_URL``, git's ``origin``, or what an sdist says.

    :param root: of the checkout, or of an unpacked sdist.
    :return: a URL without a slash at its end; None where there is none on the web.
    """
    if address := os.environ.get("REPOSITORY_URL"):
        return on_the_web(address)
    if (root / ".git").exists():
        return on_the_web(_origin(root))
    about = root / "PKG-INFO"
    if not about.exists():
        return None
    urls = Parser().parsestr(about.read_text(encoding="utf-8"), headersonly=True).get_all("Project-URL", [])
    return next((url.partition(", ")[2] for url in urls if url.startswith("Source, ")), None)


def on_the_web(address: str) -> str | None:
    """Return a remote of git as an address for a browser; None for one that is none, such as a path."""
    if scp := _SCP.fullmatch(address):
        address = f"https://{scp['host']}/{scp['path']}"
    return address.removesuffix("/").removesuffix(".git") if address.startswith("https://") else None


def with_absolute_links(readme: str, repository: str | None) -> str:
    """
    Return a page whose links lead somewhere from anywhere.

    :param readme: Markdown whose links are relative to the repository's root.
    :param repository: its address; None leaves the page as it is.
    """
    if repository is None:
        return readme

    def absolute(link: re.Match[str]) -> str:
        kind = "raw" if link["image"] else "blob"
        return f"{link['image']}[{link['text']}]({repository}/{kind}/HEAD/{link['path']})"

    return _LINK.sub(absolute, readme)


def project_urls(repository: str | None) -> dict[str, str]:
    """Return what the package index shows beside the page."""
    if repository is None:
        return {}
    return {
        "Source": repository,
        "Documentation": f"{repository}/tree/HEAD/docs",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def _origin(root: Path) -> str:
    command = ["git", "config", "--get", "remote.origin.url"]
    try:
        return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""
