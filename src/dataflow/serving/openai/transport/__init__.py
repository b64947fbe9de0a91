"""How bytes get to an API and back: addresses, keys, proxies, connections."""
