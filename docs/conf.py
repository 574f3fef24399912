"""How Sphinx builds the site; ``make docs`` runs it."""

from __future__ import annotations

import os
import tempfile

# Before the API reference imports Airflow: it writes to its home.
_airflow_home = tempfile.TemporaryDirectory(prefix="octopush-docs-airflow-")
os.environ["AIRFLOW_HOME"] = _airflow_home.name

from airflow_provider_octopush import __version__  # noqa: E402 - after Airflow's settings

project = "airflow-provider-octopush"
author = "The airflow-provider-octopush developers"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"airflow-provider-octopush {version}"
html_show_copyright = False

# Directives with colons, so that a fence of backticks is always a code block, which tests/test_docs.py runs.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"

# Names of other projects are no links: to look them up would take the network.
nitpick_ignore_regex = [("py:.*", r"(?!airflow_provider_octopush\.).*")]
