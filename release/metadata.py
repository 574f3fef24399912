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
        urls = find_urls(root, metadata["version"])
        readme = (root / "README.md").read_text(encoding="utf-8")
        text = with_absolute_links(readme, urls.get("Source"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls


def find_urls(root: Path, version: str) -> dict[str, str]:
    """
    Find what the package index shows beside the page.

    The repository is the one that the variable ``REPOSITORY_URL`` names, or git's ``origin``. The documentation is
    that of the version: the site that the variable ``DOCUMENTATION_URL`` names, where it is the folder of the version's
    tag, or else the folder in the repository at that tag. An unpacked sdist says both itself.

    :param root: of the checkout, or of an unpacked sdist.
    :param version: of the package; its tag is ``v`` and the version.
    :return: label → URL; empty where there is no repository on the web.
    """
    address = os.environ.get("REPOSITORY_URL")
    if not address and not (root / ".git").exists():
        return _of_sdist(root / "PKG-INFO")
    repository = on_the_web(address or _origin(root))
    if repository is None:
        return {}
    site = (os.environ.get("DOCUMENTATION_URL") or "").rstrip("/")
    return {
        "Source": repository,
        "Documentation": f"{site}/v{version}/" if site else f"{repository}/tree/v{version}/docs",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


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


def _of_sdist(about: Path) -> dict[str, str]:
    if not about.exists():
        return {}
    urls = Parser().parsestr(about.read_text(encoding="utf-8"), headersonly=True).get_all("Project-URL", [])
    return {label: url for label, _, url in (line.partition(", ") for line in urls)}


def _origin(root: Path) -> str:
    command = ["git", "config", "--get", "remote.origin.url"]
    try:
        return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""
