"""Refuses to be imported: the package beside this module has lost its ``__init__.py``.

The wheel puts this module beside the package, which Python prefers. So it runs only where
uninstalling another distribution took files of the package, and what is left would otherwise be
imported as an empty package, in silence.
"""

from dataflow_caption import REINSTALL, conflict

raise ImportError(conflict() or REINSTALL)
