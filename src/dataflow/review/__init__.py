"""The review page: a local web server on which people look at captions, correct and accept them."""
