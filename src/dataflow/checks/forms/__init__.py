"""Checks of the forms that have no end of wordings; the classifier in `model` knows them."""
