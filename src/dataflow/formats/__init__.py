"""One file per dataset format; `registry` finds the right one."""
