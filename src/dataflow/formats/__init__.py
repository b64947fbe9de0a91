"""One file per dataset format, and the registry that finds it by a file's ending."""
