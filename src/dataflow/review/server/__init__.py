"""The review page over HTTP: who may ask, what requests say, and the routes."""
