"""Workers in other processes or on other machines: they load pictures and ask, on leases."""
