"""Sphinx's settings for the site; `tools/make_site.py` lays this beside the pages."""

from dataflow import __version__

project = "dataflow"
release = __version__
copyright = "the authors of dataflow"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = [".cache"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
# generated parts begin deeper than their page's headings
suppress_warnings = ["myst.header"]

default_role = "code"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"dataflow {__version__}"
html_show_sphinx = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
