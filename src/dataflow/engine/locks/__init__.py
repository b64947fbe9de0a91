"""Who may write an output: locks of this machine, and leases between machines."""
