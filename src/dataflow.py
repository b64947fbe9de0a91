"""Refuses to be imported: the package beside this file has lost its ``__init__.py``.

Python prefers the package, so this module runs only where uninstalling another distribution took
files of it. Without this module, what is left would be imported as an empty package, in silence.
"""

from dataflow_caption import REINSTALL, conflict

raise ImportError(conflict() or REINSTALL)
